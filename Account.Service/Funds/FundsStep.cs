using Contracts;
using Messaging.Postgres;
using Npgsql;
using NpgsqlTypes;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// Reads what <see cref="Funds" /> decides on and writes what it decided, for all commands that commit together: one
/// lock for each account, the commands one after the other in memory, and the results as sets.
/// </summary>
public sealed class FundsStep(TimeProvider time) : IBatchStep<FundsCommand, object?>
{
    /// <summary>
    /// The accounts, locked until the transaction ends, and then their orders' reservations as they are under the locks.
    /// In the order of the keys, so that two replicas never wait for each other both ways.
    /// </summary>
    /// <remarks>Without an account there is no lock: who then inserts the reservation second meets its key, and starts again.</remarks>
    public void Load(NpgsqlBatch batch, IReadOnlyList<FundsCommand> requests)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.BatchCommands.Add(Sql("select account_id, currency, available, held, captured, create_time, update_time from accounts where account_id = any($1) order by account_id for no key update",
            requests.Select(x => x.AccountId).Distinct().ToArray()));
        batch.BatchCommands.Add(Sql("select order_id, account_id, amount, currency, status, reason, create_time, update_time from reservations where order_id = any($1)",
            requests.Select(x => x.OrderId).Distinct().ToArray()));
    }

    /// <inheritdoc />
    public object RowOf(FundsCommand request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.AccountId;
    }

    /// <inheritdoc />
    public async Task<BatchDecision<object?>> Decide(NpgsqlDataReader rows, IReadOnlyList<FundsCommand> requests, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var accounts = new Dictionary<Guid, Account>();
        while (await rows.ReadAsync(cancellationToken))
            accounts.Add(rows.GetGuid(0), ReadAccount(rows));
        await rows.NextResultAsync(cancellationToken);
        var reservations = new Dictionary<Guid, Reservation>();
        while (await rows.ReadAsync(cancellationToken))
            reservations.Add(rows.GetGuid(0), ReadReservation(rows));

        var (made, changed) = (new Dictionary<Guid, Reservation>(), new Dictionary<Guid, Reservation>());
        var entries = new List<LedgerEntry>();
        var results = new List<(object?, Exception?)>(requests.Count);
        var now = time.UtcNow();
        foreach (var request in requests)
            try
            {
                var funds = new Funds(accounts.GetValueOrDefault(request.AccountId), reservations.GetValueOrDefault(request.OrderId), now);
                results.Add((funds.Decide(request), null));
                if (funds.Reservation is { } reservation && funds.HasChanged)
                {
                    reservations[request.OrderId] = reservation;
                    (funds.IsNew || made.ContainsKey(request.OrderId) ? made : changed)[request.OrderId] = reservation;
                }

                if (funds.Entry != null)
                    entries.Add(funds.Entry);
            }
            catch (InvalidOperationException e)
            {
                results.Add((null, e)); // thrown before anything was changed
            }

        return new BatchDecision<object?>(results, [.. Statements(made.Values, changed.Values, entries)]);
    }

    static IEnumerable<NpgsqlBatchCommand> Statements(ICollection<Reservation> made, ICollection<Reservation> changed, List<LedgerEntry> entries)
    {
        if (made.Count > 0)
            yield return Sql("""
                insert into reservations (order_id, account_id, amount, currency, status, reason, create_time, update_time)
                select * from unnest($1, $2, $3, $4, $5, $6, $7, $8)
                """, Of(made, x => x.OrderId), Of(made, x => x.AccountId), Of(made, x => x.Amount), Of(made, x => x.Currency), Of(made, x => x.Status.ToString()),
                new NpgsqlParameter { Value = Of(made, x => x.Reason?.ToString()), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                Of(made, x => x.CreateTime), Of(made, x => x.UpdateTime));
        if (changed.Count > 0)
            yield return Sql("""
                update reservations r set status = u.status, update_time = u.time
                from unnest($1, $2, $3) as u (order_id, status, time) where r.order_id = u.order_id
                """, Of(changed, x => x.OrderId), Of(changed, x => x.Status.ToString()), Of(changed, x => x.UpdateTime));
        if (entries.Count == 0)
            yield break;

        // The balances after an account's last entry are its balances.
        var last = entries.GroupBy(x => x.AccountId).Select(x => x.Last()).ToList();
        yield return Sql("""
            update accounts a set available = u.available, held = u.held, captured = u.captured, update_time = u.time
            from unnest($1, $2, $3, $4, $5) as u (account_id, available, held, captured, time) where a.account_id = u.account_id
            """, Of(last, x => x.AccountId), Of(last, x => x.AvailableAfter), Of(last, x => x.HeldAfter), Of(last, x => x.CapturedAfter), Of(last, x => x.CreateTime));
        // Numbered in the order they were decided.
        yield return Sql("""
            insert into ledger_entries (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
            select account_id, order_id, kind, amount, available, held, captured, time
            from unnest($1, $2, $3, $4, $5, $6, $7, $8) with ordinality as u (account_id, order_id, kind, amount, available, held, captured, time, n) order by n
            """, Of(entries, x => x.AccountId), Of(entries, x => x.OrderId!.Value), Of(entries, x => x.Kind.ToString()), Of(entries, x => x.Amount),
            Of(entries, x => x.AvailableAfter), Of(entries, x => x.HeldAfter), Of(entries, x => x.CapturedAfter), Of(entries, x => x.CreateTime));
    }

    static Account ReadAccount(NpgsqlDataReader row) => new(row.GetDecimal(2), row.GetDecimal(3), row.GetDecimal(4))
    {
        AccountId = row.GetGuid(0),
        Currency = row.GetString(1),
        CreateTime = row.GetDateTime(5),
        UpdateTime = row.GetDateTime(6),
    };

    static Reservation ReadReservation(NpgsqlDataReader row) => new()
    {
        OrderId = row.GetGuid(0),
        AccountId = row.GetGuid(1),
        Amount = row.GetDecimal(2),
        Currency = row.GetString(3),
        Status = Enum.Parse<ReservationStatus>(row.GetString(4)),
        Reason = row.IsDBNull(5) ? null : Enum.Parse<RejectionReason>(row.GetString(5)),
        CreateTime = row.GetDateTime(6),
        UpdateTime = row.GetDateTime(7),
    };

    static TValue[] Of<T, TValue>(IEnumerable<T> all, Func<T, TValue> value) => [.. all.Select(value)];

    static NpgsqlBatchCommand Sql(string text, params object[] values)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var value in values)
            command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        return command;
    }
}
