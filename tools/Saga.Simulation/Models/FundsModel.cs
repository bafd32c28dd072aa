using Accounts;
using Contracts;

namespace Saga.Simulation;

/// <summary>
/// The model of the funds' rules: two accounts and an unknown one; an order always has the same amount and account.
/// </summary>
sealed class FundsModel
{
    const string Euro = "EUR";

    readonly AccountDatabase _real;
    readonly Guid[] _accounts;
    readonly decimal[] _available = new decimal[3], _held = new decimal[3], _captured = new decimal[3];
    readonly (ReservationStatus Status, RejectionReason? Reason)?[] _reservations =
        new (ReservationStatus, RejectionReason?)?[6];
    readonly HashSet<(int, int, int)> _consumed = [];
    readonly HashSet<int> _tombstones = [];
    readonly World _world;

    public FundsModel(Mutant mutant)
    {
        _world = World.Empty(mutant);
        _real = new AccountDatabase(_world);
        _accounts = [_world.NewId(), _world.NewId(), _world.NewId()];
        foreach (var id in _accounts[..2])
        {
            var now = _world.Now;
            _real.Open(new Account { AccountId = id, Currency = Euro, CreateTime = now, UpdateTime = now });
        }
    }

    static int AccountOf(int order) => order == 5 ? 2 : order % 2;
    static decimal AmountOf(int order) => 10 + 7 * order;
    static string CurrencyOf(int order) => order == 4 ? "USD" : Euro;

    public void Run(ModelStep[] steps)
    {
        foreach (var step in steps)
            Run(step);
    }

    void Run(ModelStep step)
    {
        var (account, amount) = (AccountOf(step.Order), AmountOf(step.Order));
        if (step.Kind == 0 && account < 2)
        {
            _real.Deposit(_accounts[account], 15, _world.Now);
            _available[account] += 15;
        }

        if (step.Kind is >= 1 and <= 3)
        {
            var real = Real(step);
            var model = _consumed.Contains((step.Kind, step.Order, step.Message)) ? "repeat"
                : Model(step, account, amount);
            if (model is not "fault")
                _consumed.Add((step.Kind, step.Order, step.Message));
            Models.AssertEqual($"the reply to {step}", real?.ToString(), model?.ToString());
        }

        foreach (var (real, _) in _real.All)
        {
            var i = Array.IndexOf(_accounts, real.AccountId);
            Models.AssertEqual($"the balance after {step}", (real.Available, real.Held, real.Captured),
                (_available[i], _held[i], _captured[i]));
        }

        var reservation = _real.Reservations.GetValueOrDefault(Id(step.Order));
        Models.AssertEqual($"the reservation after {step}",
            reservation == null ? null : (reservation.Status, reservation.Reason), _reservations[step.Order]);
        foreach (var entry in _real.Ledger.GroupBy(x => x.AccountId).Select(x => x.Last()))
        {
            var i = Array.IndexOf(_accounts, entry.AccountId);
            Models.AssertEqual($"the ledger after {step}", (entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter),
                (_available[i], _held[i], _captured[i]));
        }
    }

    object? Real(ModelStep step)
    {
        var (order, account) = (Id(step.Order), _accounts[AccountOf(step.Order)]);
        object command = step.Kind switch
        {
            1 => new ReserveFunds(order, account, AmountOf(step.Order), CurrencyOf(step.Order)),
            2 => new ReleaseFunds(order, account, CurrencyOf(step.Order)),
            _ => new OrderConfirmed(order, account),
        };
        var messageId = new Guid(step.Kind, (short)step.Order, (short)step.Message, new byte[8]);
        if (_real.IsConsumed(messageId, "funds"))
            return "repeat";
        var transaction = new SimTransaction { Consumed = (messageId, "funds") };
        FundsCommand[] commands = [FundsCommand.Of(command)];
        var funds = _real.Load(commands);
        if (funds.Decide(commands) is not [({ Answer: var reply }, null)])
            return "fault";
        _real.Save(transaction, funds);
        _real.Commit([transaction]);
        return reply;
    }

    /// <summary>The specified reply and new state of each command, by the reservation's status.</summary>
    object? Model(ModelStep step, int account, decimal amount)
    {
        var (order, known) = (Id(step.Order), _reservations[step.Order]);
        switch (step.Kind, known?.Status)
        {
            case (1, null):
                RejectionReason? rejection = account == 2 ? RejectionReason.AccountNotFound
                    : CurrencyOf(step.Order) != Euro ? RejectionReason.CurrencyMismatch
                    : _available[account] < amount ? RejectionReason.InsufficientFunds : null;
                _reservations[step.Order] = rejection == null
                    ? (ReservationStatus.Held, null) : (ReservationStatus.Rejected, rejection);
                if (rejection is { } reason)
                    return new ReservationRejected(order, reason);
                _available[account] -= amount;
                _held[account] += amount;
                return new FundsReserved(order);
            case (1, ReservationStatus.Held or ReservationStatus.Captured):
                return new FundsReserved(order);
            case (1, ReservationStatus.Released):
                return new ReservationRejected(order, RejectionReason.Released);
            case (1, ReservationStatus.Rejected):
                return new ReservationRejected(order, known!.Value.Reason!.Value);
            case (2, null):
                _reservations[step.Order] = (ReservationStatus.Released, null);
                _tombstones.Add(step.Order);
                return new FundsReleased(order, 0);
            case (2, ReservationStatus.Held):
                _reservations[step.Order] = (ReservationStatus.Released, null);
                _held[account] -= amount;
                _available[account] += amount;
                return new FundsReleased(order, amount);
            case (2, ReservationStatus.Released):
                return new FundsReleased(order, _tombstones.Contains(step.Order) ? 0 : amount);
            case (2, ReservationStatus.Rejected):
                return new FundsReleased(order, 0);
            case (3, ReservationStatus.Held):
                _reservations[step.Order] = (ReservationStatus.Captured, null);
                _held[account] -= amount;
                _captured[account] += amount;
                return new FundsCaptured(order);
            case (3, ReservationStatus.Captured):
                return new FundsCaptured(order);
            default:
                return "fault";
        }
    }

    static Guid Id(int order) => new(order + 1, 0, 0, new byte[8]);
}
