using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace Messaging.Postgres.Outbox;

/// <summary>Reads and writes the inbox and the outbox of one DbContext.</summary>
sealed class OutboxStore<TDbContext>(
    OutboxOptions<TDbContext> options,
    DatabaseClock<TDbContext> clock,
    IServiceScopeFactory scopes) : IOutboxRows<TDbContext>
    where TDbContext : DbContext
{
    /// <summary>How much earlier than its inbox row a message can have been captured.</summary>
    static readonly TimeSpan MaxCommitTime = TimeSpan.FromMinutes(1);

    const int MaxAdopted = 5000;

    readonly ScanStart _claims = new(TimeProvider.System), _retries = new(TimeProvider.System);
    readonly ScanStart _purges = new(TimeProvider.System), _backlog = new(TimeProvider.System);
    readonly ScanStart _orphans = new(TimeProvider.System), _own = new(TimeProvider.System);
    OutboxStatements? _statements;

    /// <summary>
    /// Writes the rest of a unit of work in the context's open transaction, and commits, in one round trip: COMMIT is
    /// the last statement of the batch, and does not run if one before it fails.
    /// </summary>
    public async Task CommitUnit(UnitOfWork<TDbContext> unit, CancellationToken cancellationToken)
    {
        await using var batch = NewBatch(unit.DbContext);
        AddUnits(batch, unit.DbContext, [unit], []);
        if (unit.Consumed is { } consumed)
            batch.BatchCommands.Add(
                Command(For(unit.DbContext).InsertInbox, consumed.MessageId, consumed.ConsumerId));
        await RunToCommit(batch, [unit], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a batch whose last statement, added here, is the COMMIT.</summary>
    /// <exception cref="DbUpdateConcurrencyException">A statement has divided by zero to say so.</exception>
    async Task RunToCommit(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units,
        CancellationToken cancellationToken)
    {
        batch.BatchCommands.Add(new("COMMIT"));
        await Prepare(batch, units, cancellationToken).ConfigureAwait(false);
        try
        {
            await batch.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (PostgresErrors.IsStaleBulkUpdate(e))
        {
            throw new DbUpdateConcurrencyException("A row is not as a statement of the transaction expects it", e);
        }
    }

    /// <summary>Runs a batch, and prepares its statements on the connection if the options say so.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="units">
    /// The units whose additional statements are in the batch: one whose text varies leaves it unprepared.
    /// </param>
    /// <param name="cancellationToken">Cancels the batch.</param>
    public async Task<NpgsqlDataReader> Run(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units,
        CancellationToken cancellationToken)
    {
        await Prepare(batch, units, cancellationToken).ConfigureAwait(false);
        return await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Costs an additional round trip the first time a statement runs on a connection.</summary>
    Task Prepare(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units, CancellationToken cancellationToken) =>
        Prepares(units) ? batch.PrepareAsync(cancellationToken) : Task.CompletedTask;

    bool Prepares(IReadOnlyList<UnitOfWork<TDbContext>> units) =>
        options.PrepareStatements && !units.Any(x => x.HasVaryingStatements);

    /// <summary>A batch in the context's open transaction.</summary>
    public static NpgsqlBatch NewBatch(TDbContext db) => new((NpgsqlConnection)db.Database.GetDbConnection(),
        (NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction());

    /// <summary>Finds the messages of units whose inbox rows exist.</summary>
    public async Task<IReadOnlySet<(Guid MessageId, Guid ConsumerId)>> FindInbox(TDbContext db,
        IReadOnlyList<UnitOfWork<TDbContext>> units)
    {
        if (Consumed(units) is not { Count: > 0 } consumed)
            return new HashSet<(Guid, Guid)>();
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
        batch.BatchCommands.Add(OnKeys(For(db).FindInboxes, consumed));
        await using var rows = await Run(batch, [], CancellationToken.None).ConfigureAwait(false);
        return await ReadInbox(rows).ConfigureAwait(false);
    }

    /// <summary>Begins the transaction of a group's units.</summary>
    public void AddBegin(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units) =>
        batch.BatchCommands.Add(new(Prepares(units) ? OutboxStatements.BeginPrepared : OutboxStatements.Begin));

    /// <summary>
    /// Begins a group's transaction, and inserts all inbox rows that do not exist. Read their keys by
    /// <see cref="ReadInserted" />.
    /// </summary>
    public void AddInbox(NpgsqlBatch batch, IReadOnlyList<UnitOfWork<TDbContext>> units)
    {
        AddBegin(batch, units);
        batch.BatchCommands.Add(OnKeys(For(units[0].DbContext).InsertInboxes, Consumed(units)));
    }

    /// <summary>
    /// Reads the results of <see cref="AddInbox" />, the first of which is the id of the transaction, and advances to
    /// the next.
    /// </summary>
    public static async Task<(uint TransactionId, IReadOnlySet<(Guid MessageId, Guid ConsumerId)> Keys)> ReadInserted(
        NpgsqlDataReader rows)
    {
        await rows.ReadAsync().ConfigureAwait(false);
        var transactionId = rows.GetFieldValue<uint>(0);
        await rows.NextResultAsync().ConfigureAwait(false);
        return (transactionId, await ReadInbox(rows).ConfigureAwait(false));
    }

    /// <summary>
    /// Adds one statement that inserts all inbox rows and fails if one exists; none if no unit consumes a message.
    /// </summary>
    public void AddNewInbox(NpgsqlBatch batch, TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units)
    {
        if (Consumed(units) is { Count: > 0 } consumed)
            batch.BatchCommands.Add(OnKeys(For(db).InsertNewInboxes, consumed));
    }

    /// <summary>Whether an inbox row existed already.</summary>
    public bool IsDuplicate(Exception error) => PostgresErrors.IsDuplicateKey(error, _statements?.InboxTable);

    static List<InboxState> Consumed(IReadOnlyList<UnitOfWork<TDbContext>> units) =>
        [.. units.Select(x => x.Consumed).OfType<InboxState>()];

    static NpgsqlBatchCommand OnKeys(string sql, List<InboxState> consumed) => Command(sql,
        consumed.Select(x => x.MessageId).ToArray(), consumed.Select(x => x.ConsumerId).ToArray());

    /// <summary>
    /// Reads the keys of inbox rows that a statement returned, and advances to the next result.
    /// </summary>
    static async Task<IReadOnlySet<(Guid MessageId, Guid ConsumerId)>> ReadInbox(NpgsqlDataReader rows)
    {
        var keys = new HashSet<(Guid, Guid)>();
        while (await rows.ReadAsync().ConfigureAwait(false))
            keys.Add((rows.GetGuid(0), rows.GetGuid(1)));
        await rows.NextResultAsync().ConfigureAwait(false);
        return keys;
    }

    /// <summary>
    /// Writes the rest of a group's units, whose inbox rows are inserted, and commits, in one round trip.
    /// </summary>
    /// <param name="db">The context with the group's transaction.</param>
    /// <param name="units">The units to commit.</param>
    /// <param name="statements">Their changes, and the statements of their batch step.</param>
    /// <param name="failed">The units that have failed alone: their inbox rows are deleted.</param>
    public async Task CommitGroup(TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units,
        IReadOnlyList<NpgsqlBatchCommand> statements, IReadOnlyList<UnitOfWork<TDbContext>> failed)
    {
        await using var batch = NewBatch(db);
        AddUnits(batch, db, units, statements);
        if (Consumed(failed) is { Count: > 0 } undone)
            batch.BatchCommands.Add(OnKeys(For(db).DeleteInboxes, undone));
        await RunToCommit(batch, units, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Adds what units commit, except inbox rows.</summary>
    /// <param name="batch">The batch of the transaction.</param>
    /// <param name="db">A context with the model.</param>
    /// <param name="units">The units to commit.</param>
    /// <param name="statements">Their changes, and the statements of their batch step.</param>
    public void AddUnits(NpgsqlBatch batch, TDbContext db, IReadOnlyList<UnitOfWork<TDbContext>> units,
        IReadOnlyList<NpgsqlBatchCommand> statements)
    {
        foreach (var statement in statements.Concat(units.SelectMany(x => x.Statements)))
            batch.BatchCommands.Add(statement);
        // Before the inserts, so that a message that is scheduled after it was unscheduled remains.
        if (units.SelectMany(x => x.Unscheduled).ToArray() is { Length: > 0 } unscheduled)
            batch.BatchCommands.Add(Command(For(db).Unschedule, unscheduled));
        if (units.SelectMany(x => x.Messages).ToList() is { Count: > 0 } messages)
        {
            var now = clock.UtcNow;
            messages.ForEach(x => x.SetEnqueueTime(now));
            batch.BatchCommands.Add(InsertAll(For(db).InsertOutbox, messages));
        }
    }

    static NpgsqlBatchCommand InsertAll(string sql, List<OutboxMessage> messages)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var (_, type, value) in OutboxStatements.Columns)
            command.Parameters.Add(new NpgsqlParameter
            {
                Value = Values(type, messages, value),
                NpgsqlDbType = NpgsqlDbType.Array | type,
            });
        return command;
    }

    static Array Values(NpgsqlDbType type, List<OutboxMessage> messages, Func<OutboxMessage, object?> value) =>
        type switch
        {
            NpgsqlDbType.Uuid => messages.Select(x => (Guid?)value(x)).ToArray(),
            NpgsqlDbType.TimestampTz => messages.Select(x => (DateTime?)value(x)).ToArray(),
            NpgsqlDbType.Integer => messages.Select(x => (int)value(x)!).ToArray(),
            _ => messages.Select(x => (string?)value(x)).ToArray(),
        };

    /// <summary>Whether the consumer has committed the message.</summary>
    public Task<bool> IsConsumed(TDbContext db, Guid messageId, Guid consumerId, CancellationToken cancellationToken) =>
        db.Set<InboxState>().AnyAsync(x => x.MessageId == messageId && x.ConsumerId == consumerId, cancellationToken);

    /// <summary>The unsent messages of a consumed message, without those that are scheduled or parked.</summary>
    public Task<List<OutboxMessage>> FindUnsent(TDbContext db, Guid messageId, Guid consumerId,
        CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().AsNoTracking()
            .Where(x => x.InboxMessageId == messageId && x.InboxConsumerId == consumerId
                && x.TokenId == null && x.Parked == null
                // Finds the rows by the index of their times; there is none for the consumed message.
                && x.EnqueueTime >= db.Set<InboxState>()
                    .Where(i => i.MessageId == messageId && i.ConsumerId == consumerId)
                    .Select(i => i.Consumed).First() - MaxCommitTime)
            .ToListAsync(cancellationToken);

    /// <summary>Whether the rows of a transaction are visible: it was committed, and none is deleted yet.</summary>
    public Task<bool> Exist(Guid[] ids, CancellationToken cancellationToken) => WithContext(async db =>
    {
        using var outside = new System.Transactions.TransactionScope(
            System.Transactions.TransactionScopeOption.Suppress,
            System.Transactions.TransactionScopeAsyncFlowOption.Enabled);
        return await db.Set<OutboxMessage>().CountAsync(x => ids.Contains(x.Id), cancellationToken)
            .ConfigureAwait(false) == ids.Length;
    });

    /// <summary>Deletes a scheduled message in the context's open transaction.</summary>
    public Task Unschedule(TDbContext db, Guid tokenId, CancellationToken cancellationToken) =>
        db.Set<OutboxMessage>().Where(x => x.TokenId == tokenId).ExecuteDeleteAsync(cancellationToken);

    /// <inheritdoc />
    public Task ReadClock(CancellationToken cancellationToken) => WithContext(async db =>
    {
        await clock.Set(async () =>
        {
            var now = await db.Database.SqlQueryRaw<DateTime>("select clock_timestamp() as \"Value\"")
                .SingleAsync(cancellationToken).ConfigureAwait(false);
            return now.ToUniversalTime(); // local under Npgsql.EnableLegacyTimestampBehavior
        }).ConfigureAwait(false);
        return true;
    });

    /// <inheritdoc />
    public Task<List<OutboxMessage>> Claim(Guid ownerId, bool retries, CancellationToken cancellationToken)
    {
        var limit = retries ? 1 : options.QueryMessageLimit;
        return (retries ? _retries : _claims).Scan(async from =>
        {
            var now = clock.Earliest;
            var claimed = await WithContext(async db => await db.Set<OutboxMessage>()
                .FromSqlRaw(retries ? For(db).ClaimRetry : For(db).Claim, options.QueryMessageLimit, ownerId, from,
                    OutboxMessage.OwnedTime)
                .AsNoTracking().ToListAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            return (claimed, claimed.Count < limit ? now : (DateTime?)null);
        });
    }

    /// <inheritdoc />
    public Task Delete(Guid[] ids, CancellationToken cancellationToken) =>
        WithContext(db => db.Set<OutboxMessage>().Where(x => ids.Contains(x.Id)).ExecuteDeleteAsync(cancellationToken));

    /// <inheritdoc />
    public Task Postpone(Guid ownerId, Guid id, int attempts, TimeSpan pause, bool park, string error,
        CancellationToken cancellationToken)
    {
        var now = clock.UtcNow;
        return WithContext(db => db.Set<OutboxMessage>().Where(x => x.Id == id && x.OwnerId == ownerId)
            .ExecuteUpdateAsync(set => set
                .SetProperty(x => x.Attempts, attempts)
                .SetProperty(x => x.EnqueueTime, now + pause)
                .SetProperty(x => x.OwnerId, (Guid?)null)
                .SetProperty(x => x.Parked, park ? now : null)
                .SetProperty(x => x.LastError, error), cancellationToken));
    }

    /// <inheritdoc />
    public async Task<IReadOnlyList<OutboxState>> Heartbeat(OutboxState self, CancellationToken cancellationToken)
    {
        // Another will work in time.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.OwnerTimeout / 2);
        return await WithBatch(async (db, batch) =>
        {
            batch.BatchCommands.Add(Command(For(db).Heartbeat, self.OutboxId, self.Heartbeats));
            batch.BatchCommands.Add(new(For(db).ReadStates));
            await using var rows = await batch.ExecuteReaderAsync(limit.Token).ConfigureAwait(false);
            var states = new List<OutboxState>();
            while (await rows.ReadAsync(limit.Token).ConfigureAwait(false))
                states.Add(new OutboxState { OutboxId = rows.GetGuid(0), Heartbeats = rows.GetInt64(1) });
            return states;
        }, limit.Token).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<int> Adopt(IReadOnlyCollection<OutboxState> dead, CancellationToken cancellationToken)
    {
        if (dead.Count > 0)
            // Committed by itself: one that is not dead after all does not wait for the search.
            await WithBatch((db, batch) =>
            {
                batch.BatchCommands.Add(Command(For(db).DeleteStates,
                    dead.Select(x => x.OutboxId).ToArray(), dead.Select(x => x.Heartbeats).ToArray()));
                return batch.ExecuteNonQueryAsync(cancellationToken);
            }, cancellationToken).ConfigureAwait(false);
        return await _orphans.Scan(from => WithBatch(async (db, batch) =>
        {
            var adopt = Command(For(db).Adopt, from, EndOfOwned(from), MaxAdopted);
            batch.BatchCommands.Add(adopt);
            batch.BatchCommands.Add(Command(For(db).ReadOldestOwned, from, EndOfOwned(from)));
            await using var row = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await row.ReadAsync(cancellationToken).ConfigureAwait(false);
            return (adopt.RecordsAffected, (DateTime?)row.GetDateTime(0).ToUniversalTime());
        }, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>
    /// The end of a scan for messages with an owner: later ones are scheduled. A full scan has none, because a clock
    /// may have been wrong.
    /// </summary>
    DateTime EndOfOwned(DateTime from) => from == ScanStart.Beginning
        ? DateTime.SpecifyKind(DateTime.MaxValue, DateTimeKind.Utc) : clock.UtcNow + TimeSpan.FromMinutes(2);

    /// <inheritdoc />
    public Task Release(Guid ownerId, Guid[] ids, CancellationToken cancellationToken) =>
        WithBatch((db, batch) =>
        {
            batch.BatchCommands.Add(Command(For(db).Release, ownerId, ids));
            return batch.ExecuteNonQueryAsync(cancellationToken);
        }, cancellationToken);

    /// <inheritdoc />
    public Task<IReadOnlyCollection<(Guid Id, DateTime EnqueueTime)>> FindOwn(
        Guid ownerId, CancellationToken cancellationToken) =>
        _own.Scan(from => WithBatch(async (db, batch) =>
        {
            batch.BatchCommands.Add(Command(For(db).FindOwn, from, EndOfOwned(from), ownerId));
            var now = clock.Earliest;
            await using var rows = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            var own = new List<(Guid Id, DateTime EnqueueTime)>();
            while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                own.Add((rows.GetGuid(0), rows.GetDateTime(1).ToUniversalTime()));
            return ((IReadOnlyCollection<(Guid, DateTime)>)own,
                (DateTime?)own.Select(x => x.EnqueueTime).Append(now).Min());
        }, cancellationToken));

    static NpgsqlBatchCommand Command(string sql, params ReadOnlySpan<object> values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }

    /// <summary>
    /// Deletes up to one batch of inbox rows that are older than the window, and returns their number.
    /// </summary>
    public Task<int> Purge(CancellationToken cancellationToken) =>
        _purges.Scan(async from =>
        {
            var now = clock.Earliest;
            var deleted = await WithContext(db => db.Database.ExecuteSqlRawAsync(For(db).Purge,
                [options.DuplicateDetectionWindow, options.QueryMessageLimit, from], cancellationToken))
                .ConfigureAwait(false);
            return (deleted, deleted < options.QueryMessageLimit && now > DateTime.MinValue
                ? now - options.DuplicateDetectionWindow : (DateTime?)null);
        });

    /// <summary>Counts the messages that wait for the broker.</summary>
    public Task<OutboxBacklog> ReadBacklog(CancellationToken cancellationToken) =>
        _backlog.Scan(from => WithBatch(async (db, batch) =>
        {
            batch.BatchCommands.Add(Command(For(db).Backlog, from));
            await using var row = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await row.ReadAsync(cancellationToken).ConfigureAwait(false);
            var backlog = new OutboxBacklog(row.GetInt64(0), row.GetFieldValue<TimeSpan>(1), row.GetInt64(2));
            return (backlog, (DateTime?)row.GetDateTime(3).ToUniversalTime());
        }, cancellationToken));

    /// <summary>Runs a batch that is its own transaction.</summary>
    Task<T> WithBatch<T>(Func<TDbContext, NpgsqlBatch, Task<T>> work, CancellationToken cancellationToken) =>
        WithContext(async db =>
    {
        await db.Database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
            batch.Timeout = (int)options.QueryTimeout.TotalSeconds;
            return await work(db, batch).ConfigureAwait(false);
        }
        finally
        {
            // A pooled context counts openings for ever: otherwise its later users would keep their connections.
            await db.Database.CloseConnectionAsync().ConfigureAwait(false);
        }
    });

    async Task<T> WithContext<T>(Func<TDbContext, Task<T>> work)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TDbContext>();
        db.Database.SetCommandTimeout(options.QueryTimeout);
        var strategy = db.Database.CreateExecutionStrategy();
        try
        {
            return await strategy.ExecuteAsync(() => work(db)).ConfigureAwait(false);
        }
        catch (Exception e) when (PostgresErrors.IsReadOnly(e))
        {
            // Otherwise the pool would keep its connections to a demoted server.
            if (scope.ServiceProvider.GetService<IPrimaryServer>() is { } primary)
                primary.ClearPool();
            else
                scope.ServiceProvider.GetService<NpgsqlDataSource>()?.Clear();
            throw;
        }
    }

    OutboxStatements For(TDbContext db) => _statements ??= new OutboxStatements(db);
}
