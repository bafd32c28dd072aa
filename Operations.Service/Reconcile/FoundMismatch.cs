namespace Operations;

/// <summary>What does not match about one order or account.</summary>
/// <param name="SubjectId">The order, or the account.</param>
/// <param name="Kind">In which way.</param>
/// <param name="Description">A sentence.</param>
sealed record FoundMismatch(Guid SubjectId, MismatchKind Kind, string Description);
