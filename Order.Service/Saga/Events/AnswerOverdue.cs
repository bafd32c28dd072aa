namespace Orders;

/// <summary>Internal event of Order: Account has not answered the order's last command in time.</summary>
/// <param name="OrderId">The order.</param>
public sealed record AnswerOverdue(Guid OrderId);
