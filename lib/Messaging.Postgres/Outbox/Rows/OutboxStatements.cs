using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using NpgsqlTypes;

namespace Messaging.Postgres.Outbox;

/// <summary>The SQL statements on the inbox and the outbox, with the table and column names of a model.</summary>
sealed class OutboxStatements
{
    /// <summary>The columns that a new row sets; the others are null.</summary>
    public static readonly (string Property, NpgsqlDbType Type, Func<OutboxMessage, object?> Value)[] Columns =
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
        (nameof(OutboxMessage.OwnerId), NpgsqlDbType.Uuid, x => x.OwnerId),
    ];

    /// <summary>
    /// Begins a group's transaction: returns its id, which is the xmin of the rows that it writes, and limits its
    /// waits, because all units of the group wait with it. A limit of the session stays.
    /// </summary>
    public static readonly string Begin = "select pg_current_xact_id()::xid, "
        + $"{Default("lock_timeout", "0", "3s")}, {Default("idle_in_transaction_session_timeout", "0", "15s")}";

    /// <summary>
    /// <see cref="Begin" />, and generic plans for the prepared statements of the transaction. By itself, PostgreSQL
    /// plans those with a few keys each time, because a generic plan expects ten keys, and so seems to cost more.
    /// </summary>
    public static readonly string BeginPrepared =
        $"{Begin}, {Default("plan_cache_mode", "auto", "force_generic_plan")}";

    public OutboxStatements(DbContext db)
    {
        var quote = db.GetService<ISqlGenerationHelper>();
        var (outbox, o) = Names<OutboxMessage>(db, quote);
        var (inbox, i) = Names<InboxState>(db, quote);
        var (states, s) = Names<OutboxState>(db, quote);
        InboxTable = db.Model.FindEntityType(typeof(InboxState))!.GetTableName()!;
        var (id, due, parked) =
            (o(nameof(OutboxMessage.Id)), o(nameof(OutboxMessage.EnqueueTime)), o(nameof(OutboxMessage.Parked)));
        var (token, attempts, sent) = (o(nameof(OutboxMessage.TokenId)), o(nameof(OutboxMessage.Attempts)),
            o(nameof(OutboxMessage.SentTime)));
        var owner = o(nameof(OutboxMessage.OwnerId));
        var (state, heartbeats) = (s(nameof(OutboxState.OutboxId)), s(nameof(OutboxState.Heartbeats)));
        var (message, consumer, consumed) =
            (i(nameof(InboxState.MessageId)), i(nameof(InboxState.ConsumerId)), i(nameof(InboxState.Consumed)));

        InsertOutbox = $"""
            insert into {outbox} ({string.Join(", ", Columns.Select(x => o(x.Property)))})
            select * from unnest({string.Join(", ", Columns.Select((_, n) => $"${n + 1}"))})
            """;
        // Ordered by key, so that two replicas with the same messages wait for each other in one direction.
        InsertNewInboxes = $"""
            insert into {inbox} ({message}, {consumer}, {consumed})
            select m, c, now() from unnest($1, $2) as u (m, c) order by m, c
            """;
        InsertInboxes = $"{InsertNewInboxes} on conflict do nothing returning {message}, {consumer}";
        FindInboxes = $"""
            select {message}, {consumer} from {inbox}
            where ({message}, {consumer}) in (select * from unnest($1, $2))
            """;
        DeleteInboxes = $"delete from {inbox} where ({message}, {consumer}) in (select * from unnest($1, $2))";
        InsertInbox = $"insert into {inbox} ({message}, {consumer}, {consumed}) values ($1, $2, now())";
        Unschedule = $"delete from {outbox} where {token} = any($1)";
        Claim = ClaimText("= 0", "{0}");
        ClaimRetry = ClaimText("> 0", "least(1, {0})");
        // The clock, because claims begin where they ended, and the transaction may take long.
        Release = $"""
            update {outbox} set {owner} = null, {due} = clock_timestamp() where {id} = any($2) and {owner} = $1
            """;
        Heartbeat = $"""
            insert into {states} ({state}, {heartbeats}) values ($1, $2)
            on conflict ({state}) do update set {heartbeats} = $2
            """;
        ReadStates = $"select {state}, {heartbeats} from {states}";
        // Two replicas that find the same ones dead do not wait for each other.
        DeleteStates = $"""
            delete from {states} where {state} = any(array(
                select s.{state} from {states} as s join unnest($1, $2) as dead (id, seen) on s.{state} = dead.id
                where s.{heartbeats} = dead.seen for update of s skip locked))
            """;
        Adopt = $"""
            update {outbox} set {owner} = null, {due} = clock_timestamp() where {id} = any(array(
                select {id} from {outbox}
                where {due} >= $1 and {due} < $2 and {owner} is not null
                    and not {owner} = any(array(select {state} from {states}))
                limit $3 for update skip locked))
            """;
        ReadOldestOwned = $"""
            select least(min({due}), now()) from {outbox} where {due} >= $1 and {due} < $2 and {owner} is not null
            """;
        FindOwn = $"select {id}, {due} from {outbox} where {due} >= $1 and {due} < $2 and {owner} = $3";
        Purge = $$"""
            delete from {{inbox}} where ctid = any(array(
                select ctid from {{inbox}} where {{consumed}} >= {2} and {{consumed}} < now() - {0} limit {1}))
            """;

        // A message that waits has an owner or is postponed for a minute; one with a later time is scheduled.
        Backlog = $$"""
            select count(*) filter (where {{parked}} is null and {{token}} is null),
                coalesce(now() - min({{sent}}) filter (where {{parked}} is null and {{token}} is null), '0'),
                count(*) filter (where {{parked}} is not null), least(min({{due}}), now())
            from {{outbox}} where {{due}} >= $1 and {{due}} < now() + interval '2 minutes'
            """;

        // An array instead of a join: the planner expects an outbox to be almost empty, and would begin a join with
        // all its rows, which include those that only an old snapshot still sees.
        string ClaimText(string attemptsCondition, string limit) => $$"""
            update {{outbox}} set {{owner}} = {1}, {{due}} = now() + {3} where {{id}} = any(array(
                select {{id}} from {{outbox}}
                where {{due}} >= {2} and {{due}} <= now() and {{owner}} is null and {{parked}} is null
                    and {{attempts}} {{attemptsCondition}}
                order by {{due}} limit {{limit}} for update skip locked))
            returning *
            """;
    }

    public string InboxTable { get; }
    public string InsertOutbox { get; }
    public string InsertInbox { get; }
    public string InsertNewInboxes { get; }
    public string InsertInboxes { get; }
    public string FindInboxes { get; }
    public string DeleteInboxes { get; }
    public string Unschedule { get; }
    public string Claim { get; }
    public string ClaimRetry { get; }
    public string Release { get; }
    public string Heartbeat { get; }
    public string ReadStates { get; }
    public string DeleteStates { get; }
    public string Adopt { get; }
    public string ReadOldestOwned { get; }
    public string FindOwn { get; }
    public string Purge { get; }
    public string Backlog { get; }

    static (string Table, Func<string, string> Column) Names<T>(DbContext db, ISqlGenerationHelper quote)
    {
        var entity = db.Model.FindEntityType(typeof(T)) ?? throw new InvalidOperationException(
            $"{typeof(T).Name} is not in the model of {db.GetType().Name}: "
            + "call AddTransactionalOutboxEntities in OnModelCreating");
        var table = StoreObjectIdentifier.Table(entity.GetTableName()!, entity.GetSchema());
        return (quote.DelimitIdentifier(table.Name, table.Schema),
            property => quote.DelimitIdentifier(entity.FindProperty(property)!.GetColumnName(table)!));
    }

    static string Default(string setting, string unset, string value) =>
        $"case current_setting('{setting}') when '{unset}' then set_config('{setting}', '{value}', true) end";
}
