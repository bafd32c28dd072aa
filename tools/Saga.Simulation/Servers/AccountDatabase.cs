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

    /// <summary>
    /// Loads copies of the rows of commands into the production rules; the caller holds the accounts' locks.
    /// </summary>
    public FundsGroup Load(IReadOnlyCollection<FundsCommand> commands)
    {
        var orders = commands.Select(x => x.OrderId).ToHashSet();
        if (World.Mutant == Mutant.UniqueReservationOff)
            orders.ExceptWith(commands.Where(x => x.Message is ReserveFunds).Select(x => x.OrderId));
        return new FundsGroup(
            commands.Select(x => x.AccountId).Distinct().Where(Exists)
                .ToDictionary(x => x, x => Copy(_accounts[x].Account)),
            orders.Where(Reservations.ContainsKey).ToDictionary(x => x, x => Copy(Reservations[x])), World.Now);
    }

    /// <summary>Adds the decisions of the rules to a transaction.</summary>
    public void Save(SimTransaction transaction, FundsGroup funds)
    {
        var inserted = funds.Inserted.Where(x => !IsForgotten(x)).ToList();
        if (World.Mutant != Mutant.UniqueReservationOff)
            transaction.Checks.Add(() =>
            {
                if (inserted.Exists(x => Reservations.ContainsKey(x.OrderId)))
                    throw new ConflictException("the order already has a reservation");
                if (funds.Entries.Any(x => _entries.Contains((x.OrderId!.Value, x.Kind))))
                    throw new ConflictException("the ledger already has this entry");
            });
        transaction.Changes.Add(() =>
        {
            foreach (var reservation in inserted.Concat(funds.Updated))
            {
                World.Invariants.ReservationChanged(Reservations.GetValueOrDefault(reservation.OrderId), reservation);
                Reservations[reservation.OrderId] = Copy(reservation);
            }

            foreach (var entry in funds.Entries)
            {
                Ledger.Add(entry);
                _entries.Add((entry.OrderId!.Value, entry.Kind));
                var (account, deposits) = _accounts[entry.AccountId];
                var changed = new Account(entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter)
                {
                    AccountId = entry.AccountId,
                    Currency = account.Currency,
                    CreateTime = entry.CreateTime,
                    UpdateTime = entry.CreateTime,
                };
                _accounts[entry.AccountId] = (changed, deposits);
                World.Invariants.AccountChanged(changed, deposits);
            }
        });
    }

    bool IsForgotten(Reservation inserted) => inserted.Status switch
    {
        ReservationStatus.Released => World.Mutant == Mutant.TombstoneOff,
        ReservationStatus.Rejected => World.Mutant == Mutant.RejectedForgotten,
        _ => false,
    };

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
