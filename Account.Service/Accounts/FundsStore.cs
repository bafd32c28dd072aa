using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>Loads what <see cref="Funds" /> decides on, and adds what it decided.</summary>
public sealed class FundsStore(AccountDbContext db, TimeProvider time)
{
    /// <summary>
    /// The order's reservation and its account, locked until the transaction ends: orders of one account are decided
    /// one after the other. One query, for both are needed and the lock must be taken first.
    /// </summary>
    /// <remarks>
    /// The reservation is as the query's snapshot has it, which may be older than the lock. That is safe: who then
    /// inserts it meets its key, who then updates it meets its version, and both start again.
    /// </remarks>
    public async Task<Funds> Load(Guid orderId, Guid accountId, CancellationToken cancellationToken)
    {
        var found = await db.Accounts
            .FromSql($"select * from accounts where account_id = {accountId} for no key update")
            .Select(account => new { Account = account, Reservation = db.Reservations.FirstOrDefault(x => x.OrderId == orderId) })
            .SingleOrDefaultAsync(cancellationToken);
        return found != null
            ? new Funds(found.Account, found.Reservation, Now)
            : new Funds(null, await db.Reservations.SingleOrDefaultAsync(x => x.OrderId == orderId, cancellationToken), Now);
    }

    /// <summary>Adds the new reservation and ledger entry to the unit of work, which commits them with the balances.</summary>
    public void Keep(Funds funds)
    {
        if (funds.Reservation is { } reservation && db.Entry(reservation).State == EntityState.Detached)
            db.Add(reservation);
        if (funds.Entry is { } entry)
            db.Add(entry);
    }

    DateTime Now => time.UtcNow();
}
