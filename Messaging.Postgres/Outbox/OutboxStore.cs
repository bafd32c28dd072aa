using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace Messaging.Postgres.Outbox;

/// <summary>The statements on the inbox and the outbox of one DbContext, with the names its model gives them.</summary>
sealed class OutboxStore<TDbContext>(
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    IServiceScopeFactory scopes)
    where TDbContext : DbContext
{
    Statements? _statements;

    /// <summary>
    /// Writes what is left of a unit of work in the context's open transaction and commits it, all in one round trip:
    /// COMMIT is the last statement of the batch, and is not reached if one before it fails.
    /// </summary>
    public async Task Commit(TDbContext db, InboxState? consumed, IReadOnlyList<OutboxMessage> captured,
        IReadOnlyList<Guid> unscheduled, IReadOnlyList<NpgsqlBatchCommand> statements, CancellationToken cancellationToken)
    {
        var sql = For(db);
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection(),
            (NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction());
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        foreach (var message in captured)
            batch.BatchCommands.Add(Insert(sql.InsertOutbox, message));
        if (unscheduled.Count > 0)
            batch.BatchCommands.Add(new(sql.Unschedule) { Parameters = { new() { Value = unscheduled.ToArray() } } });
        if (consumed != null)
            batch.BatchCommands.Add(new(sql.InsertInbox)
            {
                Parameters = { new() { Value = consumed.MessageId }, new() { Value = consumed.ConsumerId } }
            });
        batch.BatchCommands.Add(new("COMMIT"));
        await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the consumer's handling of the message is committed.</summary>
    public Task<bool> IsConsumed(TDbContext db, Guid messageId, Guid consumerId, CancellationToken cancellationToken) =>
        db.Set<InboxState>().AnyAsync(x => x.MessageId == messageId && x.ConsumerId == consumerId, cancellationToken);

    /// <summary>What the handling of a message left unsent, without what is scheduled or parked.</summary>
    public Task<List<OutboxMessage>> LeftBy(TDbContext db, Guid messageId, Guid consumerId,
        CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().AsNoTracking()
            .Where(x => x.InboxMessageId == messageId && x.InboxConsumerId == consumerId
                && x.TokenId == null && x.Parked == null && x.EnqueueTime <= x.SentTime + options.DeliveryLease)
            .ToListAsync(cancellationToken);

    /// <summary>Deletes a scheduled message in the context's open transaction.</summary>
    public Task Unschedule(TDbContext db, Guid tokenId, CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().Where(x => x.TokenId == tokenId).ExecuteDeleteAsync(cancellationToken);

    /// <summary>
    /// Takes messages that are due, oldest first, for one lease. Replicas never wait for each other here and never
    /// take the same row: rows that another one is claiming are skipped, claimed ones are not due.
    /// </summary>
    /// <param name="suspect">Claims one that was refused before; else many that were not.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public Task<List<OutboxMessage>> Claim(bool suspect, CancellationToken cancellationToken) =>
        WithContext(async db =>
        {
            await clock.Set(() => db.Database.SqlQueryRaw<DateTime>("select clock_timestamp() as \"Value\"")
                .SingleAsync(cancellationToken)).ConfigureAwait(false);
            return await db.Set<OutboxMessage>()
                .FromSqlRaw(suspect ? For(db).ClaimSuspect : For(db).Claim, options.QueryMessageLimit, options.DeliveryLease + options.MessageDeliveryTimeout)
                .AsNoTracking().ToListAsync(cancellationToken).ConfigureAwait(false);
        });

    /// <summary>Deletes the rows of messages that the broker has confirmed.</summary>
    public Task Delete(Guid[] ids, CancellationToken cancellationToken) =>
        WithContext(db => db.Set<OutboxMessage>().Where(x => ids.Contains(x.Id)).ExecuteDeleteAsync(cancellationToken));

    /// <summary>Puts a message off, or parks it.</summary>
    public Task Postpone(Guid id, int attempts, TimeSpan pause, bool park, string error, CancellationToken cancellationToken)
    {
        var now = clock.UtcNow;
        return WithContext(db => db.Set<OutboxMessage>().Where(x => x.Id == id).ExecuteUpdateAsync(set => set
            .SetProperty(x => x.Attempts, attempts)
            .SetProperty(x => x.EnqueueTime, now + pause)
            .SetProperty(x => x.Parked, park ? now : null)
            .SetProperty(x => x.LastError, error), cancellationToken));
    }

    /// <summary>Forgets up to one batch of inbox rows that are older than the window; answers how many.</summary>
    public Task<int> Purge(CancellationToken cancellationToken) =>
        WithContext(db => db.Database.ExecuteSqlRawAsync(For(db).Purge,
            [options.DuplicateDetectionWindow, options.QueryMessageLimit], cancellationToken));

    async Task<T> WithContext<T>(Func<TDbContext, Task<T>> work)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
        db.Database.SetCommandTimeout(options.QueryTimeout);
        var strategy = db.Database.CreateExecutionStrategy();
        return await strategy.ExecuteAsync(() => work(db)).ConfigureAwait(false);
    }

    static NpgsqlBatchCommand Insert(string sql, OutboxMessage m)
    {
        static NpgsqlParameter Value<T>(T? value, NpgsqlDbType type) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = type };

        return new(sql)
        {
            Parameters =
            {
                Value(m.Id, NpgsqlDbType.Uuid), Value(m.MessageId, NpgsqlDbType.Uuid), Value(m.ConversationId, NpgsqlDbType.Uuid),
                Value(m.CorrelationId, NpgsqlDbType.Uuid), Value(m.SentTime, NpgsqlDbType.TimestampTz),
                Value(m.EnqueueTime, NpgsqlDbType.TimestampTz), Value(m.ExpirationTime, NpgsqlDbType.TimestampTz),
                Value(m.InboxMessageId, NpgsqlDbType.Uuid), Value(m.InboxConsumerId, NpgsqlDbType.Uuid), Value(m.TokenId, NpgsqlDbType.Uuid),
                Value(m.DestinationAddress, NpgsqlDbType.Text), Value(m.MessageType, NpgsqlDbType.Text),
                Value(m.ContentType, NpgsqlDbType.Text), Value(m.Body, NpgsqlDbType.Text), Value(m.Headers, NpgsqlDbType.Text),
                Value(m.Properties, NpgsqlDbType.Text),
            },
        };
    }

    Statements For(TDbContext db) => _statements ??= new Statements(db);

    sealed class Statements
    {
        public Statements(TDbContext db)
        {
            var quote = db.GetService<ISqlGenerationHelper>();
            var (outbox, o) = Names<OutboxMessage>(db.Model, quote);
            var (inbox, i) = Names<InboxState>(db.Model, quote);
            string[] columns =
            [
                nameof(OutboxMessage.Id), nameof(OutboxMessage.MessageId), nameof(OutboxMessage.ConversationId),
                nameof(OutboxMessage.CorrelationId), nameof(OutboxMessage.SentTime), nameof(OutboxMessage.EnqueueTime),
                nameof(OutboxMessage.ExpirationTime), nameof(OutboxMessage.InboxMessageId),
                nameof(OutboxMessage.InboxConsumerId), nameof(OutboxMessage.TokenId),
                nameof(OutboxMessage.DestinationAddress), nameof(OutboxMessage.MessageType),
                nameof(OutboxMessage.ContentType), nameof(OutboxMessage.Body), nameof(OutboxMessage.Headers),
                nameof(OutboxMessage.Properties),
            ];
            var (id, due, parked) = (o(nameof(OutboxMessage.Id)), o(nameof(OutboxMessage.EnqueueTime)),
                o(nameof(OutboxMessage.Parked)));

            InsertOutbox = $"""
                insert into {outbox} ({string.Join(", ", columns.Select(o))}, {o(nameof(OutboxMessage.Attempts))})
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)
                """;
            InsertInbox = $"""
                insert into {inbox} ({i(nameof(InboxState.MessageId))}, {i(nameof(InboxState.ConsumerId))}, {i(nameof(InboxState.Consumed))})
                values ($1, $2, now())
                """;
            Unschedule = $"delete from {outbox} where {o(nameof(OutboxMessage.TokenId))} = any($1)";
            string ClaimWhere(string attempts, string limit) => $$"""
                with due as (
                    select {{id}} from {{outbox}} where {{due}} <= now() and {{parked}} is null and {{o(nameof(OutboxMessage.Attempts))}} {{attempts}}
                    order by {{due}} limit {{limit}} for update skip locked)
                update {{outbox}} as m set {{due}} = now() + {1} from due where m.{{id}} = due.{{id}} returning m.*
                """;
            Claim = ClaimWhere("= 0", "{0}");
            ClaimSuspect = ClaimWhere("> 0", "least(1, {0})");
            Purge = $$"""
                delete from {{inbox}} where ctid = any(array(
                    select ctid from {{inbox}} where {{i(nameof(InboxState.Consumed))}} < now() - {0} limit {1}))
                """;
        }

        public string InsertOutbox { get; }
        public string InsertInbox { get; }
        public string Unschedule { get; }
        public string Claim { get; }
        public string ClaimSuspect { get; }
        public string Purge { get; }

        static (string Table, Func<string, string> Column) Names<T>(IModel model, ISqlGenerationHelper quote)
        {
            var entity = model.FindEntityType(typeof(T)) ?? throw new InvalidOperationException(
                $"{typeof(T).Name} is not in the model of {typeof(TDbContext).Name}: call AddTransactionalOutboxEntities in OnModelCreating");
            var table = StoreObjectIdentifier.Table(entity.GetTableName()!, entity.GetSchema());
            return (quote.DelimitIdentifier(table.Name, table.Schema),
                property => quote.DelimitIdentifier(entity.FindProperty(property)!.GetColumnName(table)!));
        }
    }
}
