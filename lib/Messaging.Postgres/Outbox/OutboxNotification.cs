using MassTransit.Middleware.Outbox;

namespace Messaging.Postgres.Outbox;

/// <summary>
/// Lets a program search the outbox at once, for example after it has inserted rows itself. Messages that the outbox
/// has captured need no notification.
/// </summary>
sealed class OutboxNotification : IBusOutboxNotification
{
    TaskCompletionSource _delivered = NewSource();

    /// <summary>Completes at the next <see cref="Delivered" />.</summary>
    public Task Next => Volatile.Read(ref _delivered).Task;

    public Task WaitForDelivery(CancellationToken cancellationToken) => Next.WaitAsync(cancellationToken);

    public void Delivered() => Interlocked.Exchange(ref _delivered, NewSource()).TrySetResult();

    static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
