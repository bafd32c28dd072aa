using Contracts;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using Service.Defaults;

namespace Accounts;

/// <summary>Loads what <see cref="Funds" /> decides on, and adds what it decided.</summary>
public sealed class FundsStore(AccountDbContext db, TimeProvider time)
{
    /// <summary>
    /// The order's account, locked until the transaction ends, and then its reservation as it is under that lock:
    /// orders of one account are decided one after the other. Two statements in one round trip.
    /// </summary>
    /// <remarks>Without an account there is no lock: who then inserts the reservation second meets its key, and starts again.</remarks>
    public async Task<Funds> Load(Guid orderId, Guid accountId, CancellationToken cancellationToken)
    {
        await db.Database.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection(),
            (NpgsqlTransaction?)db.Database.CurrentTransaction?.GetDbTransaction())
        {
            BatchCommands =
            {
                new("select currency, available, held, captured, create_time, update_time from accounts where account_id = $1 for no key update")
                {
                    Parameters = { new() { Value = accountId } },
                },
                new("select account_id, amount, currency, status, reason, create_time, update_time, xmin from reservations where order_id = $1")
                {
                    Parameters = { new() { Value = orderId } },
                },
            },
        };
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        Account? account = null;
        if (await row.ReadAsync(cancellationToken))
            account = new Account(row.GetDecimal(1), row.GetDecimal(2), row.GetDecimal(3))
            {
                AccountId = accountId, Currency = row.GetString(0), CreateTime = row.GetDateTime(4), UpdateTime = row.GetDateTime(5),
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
                Version = row.GetFieldValue<uint>(7),
            };

        if (account != null)
            db.Attach(account);
        if (reservation != null)
            db.Attach(reservation);
        return new Funds(account, reservation, time.UtcNow());
    }

    /// <summary>Adds the new reservation and ledger entry to the unit of work, which commits them with the balances.</summary>
    public void Keep(Funds funds)
    {
        if (funds.Reservation is { } reservation && db.Entry(reservation).State == EntityState.Detached)
            db.Add(reservation);
        if (funds.Entry is { } entry)
            db.Add(entry);
    }
}
