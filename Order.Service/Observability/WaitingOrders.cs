namespace Orders;

/// <summary>The orders in a state that wait for Account.</summary>
/// <param name="State">The state; Confirmed orders wait for their capture.</param>
/// <param name="Count">The number of orders.</param>
/// <param name="OldestAge">The time since the first of them entered the state.</param>
sealed record WaitingOrders(string State, long Count, TimeSpan OldestAge);
