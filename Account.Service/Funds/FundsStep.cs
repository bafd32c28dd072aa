using Contracts;
using Messaging.Postgres;
using Npgsql;
using NpgsqlTypes;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Runs <see cref="Funds" /> for all commands of a group commit: locks each account once, applies the commands one
/// after the other in memory, and writes the results with one statement per table.
/// </summary>
public sealed class FundsStep(TimeProvider time) : IBatchStep<FundsCommand, FundsDecision>
{
    static readonly string ReadReservations = ReadFrom("reservations");

    /// <summary>
    /// Reads the reservations of old orders, too, which can be archived: a command that comes after months, such as a
    /// replayed one, must find them. One statement for both tables sees each of them exactly once.
    /// </summary>
    static readonly string ReadAllReservations = ReadFrom("all_reservations");

    static string ReadFrom(string table) => $"""
        select order_id, account_id, amount, currency, status, reason, create_time, update_time
        from {table} where order_id = any($1)
        """;

    /// <summary>
    /// Locks the accounts until the transaction ends, then reads the orders' reservations. Accounts are locked in the
    /// order of their ids, so that two replicas cannot deadlock.
    /// </summary>
    /// <remarks>
    /// An unknown account cannot be locked. Two replicas can then insert the same reservation; the second violates the
    /// primary key and starts again.
    /// </remarks>
    public void Load(NpgsqlBatch batch, IReadOnlyList<FundsCommand> requests)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.BatchCommands.Add(BatchSql.Command("""
            select account_id, currency, available, held, captured, create_time, update_time, owner
            from accounts where account_id = any($1) order by account_id for no key update
            """, requests.Select(x => x.AccountId).Distinct().ToArray()));
        var orders = requests.Select(x => x.OrderId).Distinct().ToArray();
        var firstYoung = OrderId.First(time.UtcNow() - ArchiveOptions.MinAge / 2);
        batch.BatchCommands.Add(BatchSql.Command(
            orders.All(x => x >= firstYoung) ? ReadReservations : ReadAllReservations, orders));
    }

    /// <inheritdoc />
    public object RowOf(FundsCommand request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.AccountId;
    }

    /// <inheritdoc />
    public async Task<BatchDecision<FundsDecision>> Decide(
        NpgsqlDataReader rows, IReadOnlyList<FundsCommand> requests, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var accounts = new Dictionary<Guid, Account>();
        while (await rows.ReadAsync(cancellationToken))
            accounts.Add(rows.GetGuid(0), ReadAccount(rows));
        await rows.NextResultAsync(cancellationToken);
        var reservations = new Dictionary<Guid, Reservation>();
        while (await rows.ReadAsync(cancellationToken))
            reservations.Add(rows.GetGuid(0), ReadReservation(rows));

        var group = new FundsGroup(accounts, reservations, time.UtcNow());
        var decisions = group.Decide(requests);
        return new BatchDecision<FundsDecision>(decisions, [.. Statements(group)]);
    }

    static IEnumerable<NpgsqlBatchCommand> Statements(FundsGroup group)
    {
        if (group.Inserted.Count > 0)
            yield return InsertReservations(group.Inserted);
        if (group.Updated.Count > 0)
            yield return UpdateReservations(group.Updated);
        if (group.Entries.Count == 0)
            yield break;
        // The balances after an account's last entry are its new balances.
        yield return UpdateAccounts([.. group.Entries.GroupBy(x => x.AccountId).Select(x => x.Last())]);
        yield return InsertEntries(group.Entries);
    }

    static NpgsqlBatchCommand InsertReservations(ICollection<Reservation> rows) => BatchSql.Command("""
        insert into reservations (order_id, account_id, amount, currency, status, reason, create_time, update_time)
        select * from unnest($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        Column(rows, x => x.OrderId), Column(rows, x => x.AccountId), Column(rows, x => x.Amount),
        Column(rows, x => x.Currency), Column(rows, x => x.Status.ToString()),
        new NpgsqlParameter
        {
            Value = Column(rows, x => x.Reason?.ToString()),
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        },
        Column(rows, x => x.CreateTime), Column(rows, x => x.UpdateTime));

    static NpgsqlBatchCommand UpdateReservations(ICollection<Reservation> rows) => BatchSql.Command("""
        update reservations r set status = u.status, update_time = u.time
        from unnest($1, $2, $3) as u (order_id, status, time) where r.order_id = u.order_id
        """,
        Column(rows, x => x.OrderId), Column(rows, x => x.Status.ToString()), Column(rows, x => x.UpdateTime));

    static NpgsqlBatchCommand UpdateAccounts(ICollection<LedgerEntry> rows) => BatchSql.Command("""
        update accounts a set available = u.available, held = u.held, captured = u.captured, update_time = u.time
        from unnest($1, $2, $3, $4, $5) as u (account_id, available, held, captured, time)
        where a.account_id = u.account_id
        """,
        Column(rows, x => x.AccountId), Column(rows, x => x.AvailableAfter), Column(rows, x => x.HeldAfter),
        Column(rows, x => x.CapturedAfter), Column(rows, x => x.CreateTime));

    // The ordinality makes the entries' ids increase in the order of the decisions.
    static NpgsqlBatchCommand InsertEntries(IReadOnlyList<LedgerEntry> rows) => BatchSql.Command("""
        insert into ledger_entries (account_id, order_id, kind, amount,
            available_after, held_after, captured_after, create_time)
        select account_id, order_id, kind, amount, available, held, captured, time
        from unnest($1, $2, $3, $4, $5, $6, $7, $8) with ordinality
            as u (account_id, order_id, kind, amount, available, held, captured, time, n) order by n
        """,
        Column(rows, x => x.AccountId), Column(rows, x => x.OrderId!.Value), Column(rows, x => x.Kind.ToString()),
        Column(rows, x => x.Amount), Column(rows, x => x.AvailableAfter), Column(rows, x => x.HeldAfter),
        Column(rows, x => x.CapturedAfter), Column(rows, x => x.CreateTime));

    static Account ReadAccount(NpgsqlDataReader row) => new(row.GetDecimal(2), row.GetDecimal(3), row.GetDecimal(4))
    {
        AccountId = row.GetGuid(0),
        Currency = row.GetString(1),
        CreateTime = row.GetDateTime(5),
        UpdateTime = row.GetDateTime(6),
        Owner = row.IsDBNull(7) ? null : row.GetString(7),
    };

    static Reservation ReadReservation(NpgsqlDataReader row) => new()
    {
        OrderId = row.GetGuid(0),
        AccountId = row.GetGuid(1),
        Amount = row.GetDecimal(2),
        Currency = row.GetString(3),
        Status = NamedEnumConverter<ReservationStatus>.Parse(row.GetString(4)),
        Reason = row.IsDBNull(5) ? null : NamedEnumConverter<RejectionReason>.Parse(row.GetString(5)),
        CreateTime = row.GetDateTime(6),
        UpdateTime = row.GetDateTime(7),
    };

    static TValue[] Column<T, TValue>(IEnumerable<T> rows, Func<T, TValue> value) => [.. rows.Select(value)];
}
