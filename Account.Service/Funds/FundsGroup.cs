namespace Accounts;

/// <summary>Decides the commands of a group one after the other, in memory.</summary>
/// <param name="accounts">The accounts of the commands, which the caller has locked.</param>
/// <param name="reservations">The reservations of the commands' orders.</param>
/// <param name="now">The time of the decisions.</param>
sealed class FundsGroup(
    IReadOnlyDictionary<Guid, Account> accounts, IReadOnlyDictionary<Guid, Reservation> reservations, DateTime now)
{
    readonly Dictionary<Guid, Reservation> _inserted = [], _updated = [];
    readonly List<LedgerEntry> _entries = [];

    /// <summary>The new reservations, after all decisions.</summary>
    public ICollection<Reservation> Inserted => _inserted.Values;

    /// <summary>The reservations that existed and have changed, after all decisions.</summary>
    public ICollection<Reservation> Updated => _updated.Values;

    /// <summary>The changes of balances, in order.</summary>
    public IReadOnlyList<LedgerEntry> Entries => _entries;

    /// <summary>Decides commands.</summary>
    /// <returns>
    /// For each command its decision, or the error with which it fails alone and changes nothing.
    /// </returns>
    public IReadOnlyList<(FundsDecision? Decision, Exception? Error)> Decide(IReadOnlyList<FundsCommand> commands)
    {
        var decisions = new List<(FundsDecision?, Exception?)>(commands.Count);
        foreach (var command in commands)
            try
            {
                decisions.Add((Decide(command), null));
            }
            catch (InvalidOperationException e)
            {
                decisions.Add((null, e)); // thrown before anything changed
            }

        FundsDecision.ShareAnswers(commands, decisions);
        return decisions;
    }

    FundsDecision Decide(FundsCommand command)
    {
        var known = _inserted.GetValueOrDefault(command.OrderId) ?? reservations.GetValueOrDefault(command.OrderId);
        if (known != null && !Enum.IsDefined(known.Status))
            return new FundsDecision(null, IsPostponed: true);

        var funds = new Funds(accounts.GetValueOrDefault(command.AccountId), known, now);
        var decision = new FundsDecision(funds.Decide(command));
        if (funds.Reservation is { } reservation && funds.HasChanged)
        {
            FundsMetrics.Decided(reservation);
            var isInsert = funds.IsNew || _inserted.ContainsKey(command.OrderId);
            (isInsert ? _inserted : _updated)[command.OrderId] = reservation;
        }

        if (funds.Entry != null)
            _entries.Add(funds.Entry);
        return decision;
    }
}
