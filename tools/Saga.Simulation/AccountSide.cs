using Accounts;
using Contracts;

namespace Saga.Simulation;

/// <summary>Account's rows.</summary>
sealed class AccountDatabase(World world) : SimDatabase(world)
{
    readonly Dictionary<Guid, (Account Account, decimal Deposits)> _accounts = [];
    readonly HashSet<(Guid OrderId, EntryKind Kind)> _entries = [];

    public Dictionary<Guid, Reservation> Reservations { get; } = [];
    public List<LedgerEntry> Ledger { get; } = [];
    public IEnumerable<(Account Account, decimal Deposits)> Accounts => _accounts.Values;

    public void Open(Account account) => _accounts.Add(account.AccountId, (account, 0));

    public bool Has(Guid accountId) => _accounts.ContainsKey(accountId);

    public Account Deposit(Guid accountId, decimal amount, DateTime now)
    {
        var (account, deposits) = _accounts[accountId];
        var copy = Copy(account);
        Ledger.Add(copy.Deposit(amount, null, now));
        _accounts[accountId] = (copy, deposits + amount);
        World.AccountChanges(copy, deposits + amount);
        return copy;
    }

    /// <summary>The real rules on copies of the rows, as they are under the account's lock.</summary>
    public Funds Load(Guid orderId, Guid accountId, object command)
    {
        var account = _accounts.TryGetValue(accountId, out var row) ? Copy(row.Account) : null;
        var reservation = Reservations.TryGetValue(orderId, out var x) ? Copy(x) : null;
        if (World.Mutant == Mutant.UniqueReservationOff && command is ReserveFunds)
            reservation = null;
        return new Funds(account, reservation, World.Now);
    }

    public void Keep(SimUnit unit, Funds funds, object command)
    {
        if (funds.Reservation is not { } reservation || !funds.HasChanged)
            return;
        if (World.Mutant == Mutant.TombstoneOff && funds.IsNew && command is ReleaseFunds)
            return;
        if (World.Mutant == Mutant.RejectedForgotten && funds.IsNew && reservation.Status == ReservationStatus.Rejected)
            return;
        var unique = World.Mutant != Mutant.UniqueReservationOff;
        unit.Checks.Add(() =>
        {
            if (unique && funds.IsNew && Reservations.ContainsKey(reservation.OrderId))
                throw new Conflict("the order has a reservation");
            if (unique && funds.Entry is { } entry && _entries.Contains((reservation.OrderId, entry.Kind)))
                throw new Conflict("the ledger has this entry");
        });
        unit.Changes.Add(() =>
        {
            World.ReservationChanges(Reservations.GetValueOrDefault(reservation.OrderId), reservation);
            Reservations[reservation.OrderId] = Copy(reservation);
            if (funds.Entry is not { } entry)
                return;
            Ledger.Add(entry);
            _entries.Add((reservation.OrderId, entry.Kind));
            var changed = new Account(entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter)
            {
                AccountId = entry.AccountId,
                Currency = _accounts[entry.AccountId].Account.Currency,
                CreateTime = entry.CreateTime,
                UpdateTime = entry.CreateTime,
            };
            var deposits = _accounts[entry.AccountId].Deposits;
            _accounts[entry.AccountId] = (changed, deposits);
            World.AccountChanges(changed, deposits);
        });
    }

    static Account Copy(Account x) => new(x.Available, x.Held, x.Captured)
    {
        AccountId = x.AccountId,
        Currency = x.Currency,
        CreateTime = x.CreateTime,
        UpdateTime = x.UpdateTime,
    };

    static Reservation Copy(Reservation x) => new()
    {
        OrderId = x.OrderId,
        AccountId = x.AccountId,
        Amount = x.Amount,
        Currency = x.Currency,
        Status = x.Status,
        Reason = x.Reason,
        CreateTime = x.CreateTime,
        UpdateTime = x.UpdateTime,
    };
}
