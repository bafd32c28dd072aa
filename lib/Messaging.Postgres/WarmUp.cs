using System.Text.Json;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using MassTransit.Serialization;
using MassTransit.Transports;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// Takes a service through what it does, before anybody waits for it: what .NET compiles, and what is built and cached at a first
/// time, is there when the first message or call comes. Handlers are rehearsed before it serves, as far as their commit, which the
/// database is made to refuse: nothing of theirs is stored or sent.
/// </summary>
public sealed class WarmUp<TDbContext>(IServiceProvider services)
    where TDbContext : DbContext
{
    /// <summary>Has a consumer or saga of the service handle a message, with the filters and retries of its endpoint.</summary>
    /// <param name="message">The message.</param>
    /// <param name="given">What is to be in the database for it: adds entities. The handler then has a transaction of its own.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidOperationException">It is handled without an outbox, or was committed.</exception>
    /// <exception cref="Exception">What a handler has thrown.</exception>
    public async Task Consume<THandler, TMessage>(TMessage message, Action<TDbContext>? given, CancellationToken cancellationToken)
        where THandler : class
        where TMessage : class
    {
        var scene = new WarmUpContext<TDbContext>(given);
        var envelope = new { MessageId = NewId.NextGuid(), MessageType = new[] { MessageUrn.ForTypeString<TMessage>() }, Message = message };
        using var suspended = FaultInjection.Suspend();
        await services.GetRequiredService<IReceiveEndpointDispatcher<THandler>>().Dispatch(JsonSerializer.SerializeToUtf8Bytes(envelope, SystemTextJsonMessageSerializer.Options),
            new Dictionary<string, object> { [MessageHeaders.ContentType] = SystemTextJsonMessageSerializer.JsonContentType.ToString() },
            cancellationToken, scene).ConfigureAwait(false);
        if (!scene.IsPlayed)
            throw new InvalidOperationException($"{typeof(TMessage).Name} was handled without an outbox, or not at all");
    }

    /// <summary>Does work in a scope of its own, and commits its unit of work, as an RPC does.</summary>
    /// <exception cref="InvalidOperationException">It was committed.</exception>
    public async Task Work(Func<IServiceProvider, Task> work, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var unit = scope.ServiceProvider.GetRequiredService<IUnitOfWork<TDbContext>>();
        using var suspended = FaultInjection.Suspend();
        await work(scope.ServiceProvider).ConfigureAwait(false);
        await new WarmUpContext<TDbContext>(null).Refuse(unit, () => unit.CommitAsync(cancellationToken)).ConfigureAwait(false);
    }
}

/// <summary>Travels with a message that is rehearsed.</summary>
sealed class WarmUpContext<TDbContext>(Action<TDbContext>? given) where TDbContext : DbContext
{
    const string Refused = "RH000";

    /// <summary>A commit has failed as it was meant to.</summary>
    public static bool HasRefused(Exception error) => error is PostgresException { SqlState: Refused };

    /// <summary>It has come to its end, and nothing of it is stored.</summary>
    public bool IsPlayed { get; private set; }

    /// <summary>Puts into the database what is to be there, in the handler's transaction, or one that ends with the handler.</summary>
    public async Task Begin(TDbContext db, CancellationToken cancellationToken)
    {
        if (given == null)
            return;
        if (db.Database.CurrentTransaction == null)
            await db.Database.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        given(db);
        await db.SaveChangesAsync(cancellationToken).ConfigureAwait(false);
        db.ChangeTracker.Clear();
    }

    /// <summary>Commits a unit with a statement that ends its transaction.</summary>
    public async Task Refuse(IUnitOfWork<TDbContext> unit, Func<Task> commit)
    {
        unit.Add(new NpgsqlBatchCommand(
            $"do $$ begin raise exception 'rehearsal of a service that starts: nothing of this is stored' using errcode = '{Refused}'; end $$"));
        try
        {
            await commit().ConfigureAwait(false);
        }
        catch (PostgresException e) when (HasRefused(e))
        {
            IsPlayed = true;
            return;
        }

        throw new InvalidOperationException("A rehearsal was committed");
    }
}
