using Accounts;
using Contracts;

namespace Saga.Simulation;

/// <summary>Account's database.</summary>
sealed class AccountDatabase(World world) : SimDatabase(world)
{
    readonly Dictionary<Guid, (Account Account, decimal Deposits)> _accounts = [];
    readonly HashSet<(Guid OrderId, EntryKind Kind)> _entries = [];

    public Dictionary<Guid, Reservation> Reservations { get; } = [];
    public List<LedgerEntry> Ledger { get; } = [];
    public IEnumerable<(Account Account, decimal Deposits)> All => _accounts.Values;

    public void Open(Account account) => _accounts.Add(account.AccountId, (account, 0));

    public bool Exists(Guid accountId) => _accounts.ContainsKey(accountId);

    public Account Deposit(Guid accountId, decimal amount, DateTime now)
    {
        var (account, deposits) = _accounts[accountId];
        var copy = Copy(account);
        Ledger.Add(copy.Deposit(amount, null, null, now));
        _accounts[accountId] = (copy, deposits + amount);
        World.Invariants.AccountChanged(copy, deposits + amount);
        return copy;
    }

    /// <summary>Loads copies of the rows into the production rules; the caller holds the account's lock.</summary>
    public Funds Load(Guid orderId, Guid accountId, object command)
    {
        var account = _accounts.TryGetValue(accountId, out var row) ? Copy(row.Account) : null;
        var reservation = Reservations.TryGetValue(orderId, out var x) ? Copy(x) : null;
        if (World.Mutant == Mutant.UniqueReservationOff && command is ReserveFunds)
            reservation = null;
        return new Funds(account, reservation, World.Now);
    }

    /// <summary>Adds the decision of the rules to a transaction.</summary>
    public void Save(SimTransaction transaction, Funds funds, object command)
    {
        if (funds.Reservation is not { } reservation || !funds.HasChanged)
            return;
        if (World.Mutant == Mutant.TombstoneOff && funds.IsNew && command is ReleaseFunds)
            return;
        if (World.Mutant == Mutant.RejectedForgotten && funds.IsNew && reservation.Status == ReservationStatus.Rejected)
            return;
        var isUnique = World.Mutant != Mutant.UniqueReservationOff;
        transaction.Checks.Add(() =>
        {
            if (isUnique && funds.IsNew && Reservations.ContainsKey(reservation.OrderId))
                throw new ConflictException("the order already has a reservation");
            if (isUnique && funds.Entry is { } entry && _entries.Contains((reservation.OrderId, entry.Kind)))
                throw new ConflictException("the ledger already has this entry");
        });
        transaction.Changes.Add(() =>
        {
            World.Invariants.ReservationChanged(Reservations.GetValueOrDefault(reservation.OrderId), reservation);
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
            World.Invariants.AccountChanged(changed, deposits);
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
