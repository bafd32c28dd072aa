namespace Saga.Twin;

/// <summary>An order whose client waits for its commit.</summary>
sealed record NewOrder(Guid AccountId, decimal Total)
{
    /// <summary>The order's id, ordered by time.</summary>
    public Guid OrderId { get; } = Guid.CreateVersion7();

    /// <summary>Completes when the order is committed; fails if its transaction fails.</summary>
    public TaskCompletionSource Committed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
