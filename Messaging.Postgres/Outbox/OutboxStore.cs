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
    IServiceScopeFactory scopes) : IOutboxRows<TDbContext>
    where TDbContext : DbContext
{
    Statements? _statements;

    /// <summary>
    /// Writes what is left of a unit of work in the context's open transaction and commits it, all in one round trip:
    /// COMMIT is the last statement of the batch, and is not reached if one before it fails.
    /// </summary>
    public async Task Commit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        await using var batch = NewBatch(unit.DbContext);
        AddUnits(batch, unit.DbContext, [unit], []);
        if (unit.Consumed is { } consumed)
            batch.BatchCommands.Add(new(For(unit.DbContext).InsertInbox)
            {
                Parameters = { new() { Value = consumed.MessageId }, new() { Value = consumed.ConsumerId } }
            });
        await Commit(batch, [unit], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a batch whose last statement, added here, is the COMMIT.</summary>
    async Task Commit(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units, CancellationToken cancellationToken)
    {
        batch.BatchCommands.Add(new("COMMIT"));
        await Prepare(batch, units, cancellationToken).ConfigureAwait(false);
        await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a batch, whose statements stay prepared on its connection if that is wanted.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="units">Those whose own statements are in it: they may never come again, and it runs unprepared then.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<NpgsqlDataReader> Run(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units, CancellationToken cancellationToken)
    {
        await Prepare(batch, units, cancellationToken).ConfigureAwait(false);
        return await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>In a round trip of its own, where a statement is not prepared yet.</summary>
    Task Prepare(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units, CancellationToken cancellationToken) =>
        options.PrepareStatements && units.All(x => x.Statements.Count == 0) ? batch.PrepareAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>A batch in the context's open transaction.</summary>
    public static NpgsqlBatch NewBatch(TDbContext db) =>
        new((NpgsqlConnection)db.Database.GetDbConnection(), (NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction());

    /// <summary>Inserts the inbox rows of all units, and answers which of them are there already.</summary>
    public async Task<IReadOnlySet<InboxState>> InsertInbox(TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units)
    {
        if (units.All(x => x.Consumed == null))
            return new HashSet<InboxState>();
        await using var batch = NewBatch(db);
        AddInbox(batch, units);
        await using var rows = await Run(batch, [], CancellationToken.None).ConfigureAwait(false);
        var inserted = await ReadInbox(rows).ConfigureAwait(false);
        return units.Select(x => x.Consumed).OfType<InboxState>().Where(x => !inserted.Contains((x.MessageId, x.ConsumerId))).ToHashSet();
    }

    /// <summary>Adds one statement that inserts all inbox rows which are not there, and returns their keys.</summary>
    public void AddInbox(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units) =>
        batch.BatchCommands.Add(OnKeys(For(units[0].DbContext).InsertInboxes, Consumed(units)));

    /// <summary>Adds one statement that inserts all inbox rows, and fails if one is there; none if there is no message.</summary>
    public void AddNewInbox(NpgsqlBatch batch, TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units)
    {
        if (Consumed(units) is { Count: > 0 } consumed)
            batch.BatchCommands.Add(OnKeys(For(db).InsertNewInboxes, consumed));
    }

    /// <summary>An inbox row was there already.</summary>
    public bool IsRepeat(Exception error) =>
        error is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } refused && refused.TableName == _statements?.InboxTable;

    static List<InboxState> Consumed(IReadOnlyList<UnitOfWork<TDbContext>> units) => [.. units.Select(x => x.Consumed).OfType<InboxState>()];

    static NpgsqlBatchCommand OnKeys(string sql, List<InboxState> consumed) => new(sql)
    {
        Parameters =
        {
            new() { Value = consumed.Select(x => x.MessageId).ToArray() },
            new() { Value = consumed.Select(x => x.ConsumerId).ToArray() },
        },
    };

    /// <summary>Reads what that statement returned, and goes on to the next result.</summary>
    public static async Task<IReadOnlySet<(Guid MessageId, Guid ConsumerId)>> ReadInbox(NpgsqlDataReader rows)
    {
        var inserted = new HashSet<(Guid, Guid)>();
        while (await rows.ReadAsync().ConfigureAwait(false))
            inserted.Add((rows.GetGuid(0), rows.GetGuid(1)));
        await rows.NextResultAsync().ConfigureAwait(false);
        return inserted;
    }

    /// <summary>Writes what is left of a group's units, whose inbox rows are in, and commits; all in one round trip.</summary>
    /// <param name="db">The context with the group's transaction.</param>
    /// <param name="units">The units.</param>
    /// <param name="statements">What a step decided for all of them.</param>
    /// <param name="failed">Units that have failed alone: their inbox rows go again.</param>
    public async Task Commit(TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units, IReadOnlyList<NpgsqlBatchCommand> statements,
        IReadOnlyList<UnitOfWork<TDbContext>> failed)
    {
        await using var batch = NewBatch(db);
        AddUnits(batch, db, units, statements);
        if (Consumed(failed) is { Count: > 0 } undone)
            batch.BatchCommands.Add(OnKeys(For(db).DeleteInboxes, undone));
        await Commit(batch, units, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Adds what the units have beside their tracked changes and their inbox rows.</summary>
    /// <param name="batch">In the transaction.</param>
    /// <param name="db">A context of the model.</param>
    /// <param name="units">The units.</param>
    /// <param name="statements">What a step decided for all of them.</param>
    public void AddUnits(NpgsqlBatch batch, TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units, IReadOnlyList<NpgsqlBatchCommand> statements)
    {
        foreach (var statement in statements.Concat(units.SelectMany(x => x.Statements)))
            batch.BatchCommands.Add(statement);
        // Before the inserts: what is scheduled after it was unscheduled stays.
        if (units.SelectMany(x => x.Unscheduled).ToArray() is { Length: > 0 } unscheduled)
            batch.BatchCommands.Add(new(For(db).Unschedule) { Parameters = { new() { Value = unscheduled } } });
        if (units.SelectMany(x => x.Messages).ToList() is { Count: > 0 } messages)
        {
            // The lease begins here: a unit may have waited.
            foreach (var message in messages.Where(x => !x.IsDelayed))
                message.EnqueueTime = clock.UtcNow + options.DeliveryLease;
            batch.BatchCommands.Add(InsertAll(For(db).InsertOutbox, messages));
        }
    }

    static NpgsqlBatchCommand InsertAll(string sql, List<OutboxMessage> messages)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var (_, type, value) in Columns)
            command.Parameters.Add(new NpgsqlParameter { Value = Values(type, messages, value), NpgsqlDbType = NpgsqlDbType.Array | type });
        return command;
    }

    static Array Values(NpgsqlDbType type, List<OutboxMessage> messages, Func<OutboxMessage, object?> value) => type switch
    {
        NpgsqlDbType.Uuid => messages.Select(x => (Guid?)value(x)).ToArray(),
        NpgsqlDbType.TimestampTz => messages.Select(x => (DateTime?)value(x)).ToArray(),
        NpgsqlDbType.Integer => messages.Select(x => (int)value(x)!).ToArray(),
        _ => messages.Select(x => (string?)value(x)).ToArray(),
    };

    /// <summary>Whether the consumer's handling of the message is committed.</summary>
    public Task<bool> IsConsumed(TDbContext db, Guid messageId, Guid consumerId, CancellationToken cancellationToken) =>
        db.Set<InboxState>().AnyAsync(x => x.MessageId == messageId && x.ConsumerId == consumerId, cancellationToken);

    /// <summary>What the handling of a message left unsent, without what is scheduled or parked.</summary>
    public Task<List<OutboxMessage>> LeftBy(TDbContext db, Guid messageId, Guid consumerId,
        CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().AsNoTracking()
            .Where(x => x.InboxMessageId == messageId && x.InboxConsumerId == consumerId && x.TokenId == null && x.Parked == null)
            .ToListAsync(cancellationToken);

    /// <summary>Deletes a scheduled message in the context's open transaction.</summary>
    public Task Unschedule(TDbContext db, Guid tokenId, CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().Where(x => x.TokenId == tokenId).ExecuteDeleteAsync(cancellationToken);

    /// <inheritdoc />
    public Task ReadClock(CancellationToken cancellationToken) => WithContext(async db =>
    {
        await clock.Set(() => db.Database.SqlQueryRaw<DateTime>("select clock_timestamp() as \"Value\"")
            .SingleAsync(cancellationToken)).ConfigureAwait(false);
        return true;
    });

    /// <inheritdoc />
    public Task<List<OutboxMessage>> Claim(bool suspect, CancellationToken cancellationToken) =>
        WithContext(async db =>
            await db.Set<OutboxMessage>()
                .FromSqlRaw(suspect ? For(db).ClaimSuspect : For(db).Claim, options.QueryMessageLimit, options.DeliveryLease + options.MessageDeliveryTimeout)
                .AsNoTracking().ToListAsync(cancellationToken).ConfigureAwait(false));

    /// <inheritdoc />
    public Task Delete(Guid[] ids, CancellationToken cancellationToken) =>
        WithContext(db => db.Set<OutboxMessage>().Where(x => ids.Contains(x.Id)).ExecuteDeleteAsync(cancellationToken));

    /// <inheritdoc />
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

    /// <summary>What a new row has; the others are empty in it.</summary>
    static readonly (string Property, NpgsqlDbType Type, Func<OutboxMessage, object?> Value)[] Columns =
    [
        (nameof(OutboxMessage.Id), NpgsqlDbType.Uuid, x => x.Id),
        (nameof(OutboxMessage.MessageId), NpgsqlDbType.Uuid, x => x.MessageId),
        (nameof(OutboxMessage.ConversationId), NpgsqlDbType.Uuid, x => x.ConversationId),
        (nameof(OutboxMessage.CorrelationId), NpgsqlDbType.Uuid, x => x.CorrelationId),
        (nameof(OutboxMessage.SentTime), NpgsqlDbType.TimestampTz, x => x.SentTime),
        (nameof(OutboxMessage.EnqueueTime), NpgsqlDbType.TimestampTz, x => x.EnqueueTime),
        (nameof(OutboxMessage.ExpirationTime), NpgsqlDbType.TimestampTz, x => x.ExpirationTime),
        (nameof(OutboxMessage.InboxMessageId), NpgsqlDbType.Uuid, x => x.InboxMessageId),
        (nameof(OutboxMessage.InboxConsumerId), NpgsqlDbType.Uuid, x => x.InboxConsumerId),
        (nameof(OutboxMessage.TokenId), NpgsqlDbType.Uuid, x => x.TokenId),
        (nameof(OutboxMessage.DestinationAddress), NpgsqlDbType.Text, x => x.DestinationAddress),
        (nameof(OutboxMessage.MessageType), NpgsqlDbType.Text, x => x.MessageType),
        (nameof(OutboxMessage.ContentType), NpgsqlDbType.Text, x => x.ContentType),
        (nameof(OutboxMessage.Body), NpgsqlDbType.Text, x => x.Body),
        (nameof(OutboxMessage.Headers), NpgsqlDbType.Text, x => x.Headers),
        (nameof(OutboxMessage.Properties), NpgsqlDbType.Text, x => x.Properties),
        (nameof(OutboxMessage.Attempts), NpgsqlDbType.Integer, x => x.Attempts),
    ];

    Statements For(TDbContext db) => _statements ??= new Statements(db);

    sealed class Statements
    {
        public Statements(TDbContext db)
        {
            var quote = db.GetService<ISqlGenerationHelper>();
            var (outbox, o) = Names<OutboxMessage>(db.Model, quote);
            var (inbox, i) = Names<InboxState>(db.Model, quote);
            InboxTable = db.Model.FindEntityType(typeof(InboxState))!.GetTableName()!;
            var (id, due, parked) = (o(nameof(OutboxMessage.Id)), o(nameof(OutboxMessage.EnqueueTime)),
                o(nameof(OutboxMessage.Parked)));

            var (messageId, consumerId, consumed) = (i(nameof(InboxState.MessageId)), i(nameof(InboxState.ConsumerId)), i(nameof(InboxState.Consumed)));
            InsertOutbox = $"""
                insert into {outbox} ({string.Join(", ", Columns.Select(x => o(x.Property)))})
                select * from unnest({string.Join(", ", Columns.Select((_, n) => $"${n + 1}"))})
                """;
            // In the order of the keys: two replicas that meet the same messages wait for each other one way.
            InsertNewInboxes = $"""
                insert into {inbox} ({messageId}, {consumerId}, {consumed})
                select m, c, now() from unnest($1, $2) as u (m, c) order by m, c
                """;
            InsertInboxes = $"{InsertNewInboxes} on conflict do nothing returning {messageId}, {consumerId}";
            DeleteInboxes = $"delete from {inbox} where ({messageId}, {consumerId}) in (select * from unnest($1, $2))";
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

        public string InboxTable { get; }
        public string InsertOutbox { get; }
        public string InsertInbox { get; }
        public string InsertNewInboxes { get; }
        public string InsertInboxes { get; }
        public string DeleteInboxes { get; }
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
