using System.Text.Json;
using MassTransit;
using MassTransit.Serialization;
using MassTransit.Transports;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Messaging.Postgres;

/// <summary>
/// Runs a service's handlers before the service accepts traffic, so that the first messages and calls do not wait for
/// JIT compilation and cold caches. Handlers run up to their commits, which are rolled back: nothing is stored or sent.
/// </summary>
public sealed class WarmUp<TDbContext>(IServiceProvider services)
    where TDbContext : DbContext
{
    /// <summary>Lets a consumer or saga handle a message, with the filters and retries of its endpoint.</summary>
    /// <param name="message">The message.</param>
    /// <param name="seed">
    /// Adds the entities that the handler needs, or null. With entities, the handler runs in its own transaction.
    /// </param>
    /// <param name="cancellationToken">Cancels the handler.</param>
    /// <exception cref="InvalidOperationException">
    /// The endpoint has no outbox, or the message was committed.
    /// </exception>
    /// <exception cref="Exception">The handler failed.</exception>
    public async Task Consume<THandler, TMessage>(
        TMessage message, Action<TDbContext>? seed, CancellationToken cancellationToken)
        where THandler : class
        where TMessage : class
    {
        var warmUp = new WarmUpContext<TDbContext>(seed);
        var envelope = new
        {
            MessageId = NewId.NextGuid(),
            MessageType = new[] { MessageUrn.ForTypeString<TMessage>() },
            Message = message,
        };
        var body = JsonSerializer.SerializeToUtf8Bytes(envelope, SystemTextJsonMessageSerializer.Options);
        var headers = new Dictionary<string, object>
        {
            [MessageHeaders.ContentType] = SystemTextJsonMessageSerializer.JsonContentType.ToString(),
        };
        using var suspended = FaultInjection.Suspend();
        await services.GetRequiredService<IReceiveEndpointDispatcher<THandler>>()
            .Dispatch(body, headers, cancellationToken, warmUp).ConfigureAwait(false);
        if (!warmUp.IsRolledBack)
            throw new InvalidOperationException(
                $"{typeof(TMessage).Name} was handled without an outbox, or not at all");
    }

    /// <summary>Runs work in a new scope and commits its unit of work, as an RPC does.</summary>
    /// <exception cref="InvalidOperationException">The unit was committed.</exception>
    public async Task Work(Func<IServiceProvider, Task> work, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var unit = scope.ServiceProvider.GetRequiredService<IUnitOfWork<TDbContext>>();
        using var suspended = FaultInjection.Suspend();
        await work(scope.ServiceProvider).ConfigureAwait(false);
        await new WarmUpContext<TDbContext>(null).CommitAndRollBack(unit, () => unit.CommitAsync(cancellationToken))
            .ConfigureAwait(false);
    }
}
