using Grpc.Core;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method WatchOrder.</summary>
sealed class OrderStream(OrderDbContext db, OrderWatcher watcher, ServiceDrain drain, IOptions<WatchOptions> options,
    TimeProvider time)
{
    /// <summary>Writes an order now and after every change, until it is terminal.</summary>
    /// <exception cref="RpcException">NOT_FOUND: the order does not exist, or the caller may not see it.</exception>
    /// <exception cref="OperationCanceledException">The client has gone, or the service stops.</exception>
    public async Task WriteAsync(Guid orderId, Caller caller, IServerStreamWriter<Order> responses,
        CancellationToken cancellationToken)
    {
        // Open streams do not delay the end of the service; their clients watch again on another replica.
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, drain.Ended);
        using var changes = await watcher.WatchAsync(orderId, end.Token);
        var order = await ReadAsync();
        await responses.WriteAsync(order, end.Token);
        for (var written = time.GetTimestamp(); !order.Status.IsTerminal();)
        {
            var silence = options.Value.MaxSilence - time.GetElapsedTime(written);
            var change = silence > TimeSpan.Zero ? await changes.ReadAsync(silence, end.Token) : null;
            if (change == null)
            {
                // The watcher may have missed changes, or the stream has been silent for too long.
                var current = await ReadAsync();
                if (current.Status == order.Status && time.GetElapsedTime(written) < options.Value.MaxSilence)
                    continue;
                order = current;
            }
            else if (!change.ApplyTo(order))
            {
                continue;
            }

            await responses.WriteAsync(order, end.Token);
            written = time.GetTimestamp();
        }

        async Task<Order> ReadAsync() =>
            (await LostConnection.RepeatAsync(() => db.FindOrderAsync(orderId, caller, end.Token))).ToProto();
    }
}
