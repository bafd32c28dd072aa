using Contracts;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using NpgsqlTypes;
using Service.Defaults;

namespace Accounts;

/// <summary>Reads what <see cref="Funds" /> decides on, and writes what it decided: two round trips a command.</summary>
public sealed class FundsStore(AccountDbContext db, IUnitOfWork<AccountDbContext> unit, TimeProvider time)
{
    /// <summary>
    /// The order's account, locked until the transaction ends, and then its reservation as it is under that lock:
    /// orders of one account are decided one after the other.
    /// </summary>
    /// <remarks>Without an account there is no lock: who then inserts the reservation second meets its key, and starts again.</remarks>
    public async Task<Funds> Load(Guid orderId, Guid accountId, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection(),
            (NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction())
        {
            BatchCommands =
            {
                Sql("select currency, available, held, captured, create_time, update_time from accounts where account_id = $1 for no key update", accountId),
                Sql("select account_id, amount, currency, status, reason, create_time, update_time from reservations where order_id = $1", orderId),
            },
        };
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        Account? account = null;
        if (await row.ReadAsync(cancellationToken))
            account = new Account(row.GetDecimal(1), row.GetDecimal(2), row.GetDecimal(3))
            {
                AccountId = accountId,
                Currency = row.GetString(0),
                CreateTime = row.GetDateTime(4),
                UpdateTime = row.GetDateTime(5),
            };
        await row.NextResultAsync(cancellationToken);
        Reservation? reservation = null;
        if (await row.ReadAsync(cancellationToken))
            reservation = new Reservation
            {
                OrderId = orderId,
                AccountId = row.GetGuid(0),
                Amount = row.GetDecimal(1),
                Currency = row.GetString(2),
                Status = Enum.Parse<ReservationStatus>(row.GetString(3)),
                Reason = await row.IsDBNullAsync(4, cancellationToken) ? null : Enum.Parse<RejectionReason>(row.GetString(4)),
                CreateTime = row.GetDateTime(5),
                UpdateTime = row.GetDateTime(6),
            };
        return new Funds(account, reservation, time.UtcNow());
    }

    /// <summary>Adds what was decided to the unit of work: nothing, the reservation, or it with the balances and their ledger entry.</summary>
    public void Keep(Funds funds)
    {
        if (funds.IsNew && funds.Reservation is { } made)
            unit.Add(Sql("""
                insert into reservations (order_id, account_id, amount, currency, status, reason, create_time, update_time)
                values ($1, $2, $3, $4, $5, $6, $7, $7)
                """, made.OrderId, made.AccountId, made.Amount, made.Currency, made.Status.ToString(), Text(made.Reason?.ToString()), made.CreateTime));
        else if (funds is { Entry: not null, Reservation: { } changed })
            unit.Add(Sql("update reservations set status = $2, update_time = $3 where order_id = $1", changed.OrderId, changed.Status.ToString(), changed.UpdateTime));

        if (funds.Entry is not { } entry)
            return;
        unit.Add(Sql("update accounts set available = $2, held = $3, captured = $4, update_time = $5 where account_id = $1",
            entry.AccountId, entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter, entry.CreateTime));
        unit.Add(Sql("""
            insert into ledger_entries (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """, entry.AccountId, entry.OrderId!, entry.Kind.ToString(), entry.Amount, entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter, entry.CreateTime));
    }

    static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Varchar };

    static NpgsqlBatchCommand Sql(string text, params object[] values)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var value in values)
            command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        return command;
    }
}
