namespace Operations;

/// <summary>The result of comparing one page.</summary>
/// <param name="LastId">The last id of the page; empty if the page is.</param>
/// <param name="Count">The number of orders, reservations or accounts.</param>
/// <param name="Mismatches">What does not match, perhaps only because it changed meanwhile.</param>
sealed record ComparedPage(string LastId, int Count, IReadOnlyList<FoundMismatch> Mismatches);
