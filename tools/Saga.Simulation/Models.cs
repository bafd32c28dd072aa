using Accounts;
using Contracts;
using CsCheck;
using Orders;

namespace Saga.Simulation;

/// <summary>
/// Small models of the funds' rules and of the saga, against which the real ones are held: any sequence of commands,
/// repeated and in any order, with old and new message ids. What fails is shrunk, and its seed is in the message.
/// </summary>
public static class Models
{
    /// <summary>A command about one of six orders, in one of five messages.</summary>
    internal sealed record Op(int Kind, int Order, int Message);

    static readonly Gen<Op[]> Ops = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 5], Gen.Int[0, 4], (kind, order, message) => new Op(kind, order, message)).Array[0, 40];

    /// <summary>Holds the funds' rules against their model.</summary>
    /// <param name="sequences">How many sequences.</param>
    /// <param name="mutant">The guarantee that is switched off.</param>
    /// <exception cref="CsCheckException">They differ; the message has the least sequence and the seed.</exception>
    public static void Funds(long sequences, Mutant mutant = Mutant.None) =>
        Ops.Sample(ops => new FundsModel(mutant).Run(ops), iter: sequences, print: Print);

    /// <summary>Holds the saga against its model.</summary>
    /// <inheritdoc cref="Funds" />
    public static void Saga(long sequences, Mutant mutant = Mutant.None) =>
        Ops.Sample(ops => new SagaModel(mutant).Run(ops), iter: sequences, print: Print);

    static string Print(Op[] ops) => string.Join("; ", ops.Select(x => x.ToString()));

    static void Same<T>(string what, T real, T model)
    {
        if (!EqualityComparer<T>.Default.Equals(real, model))
            throw new InvalidOperationException($"{what} is {real}, and in the model {model}");
    }

    /// <summary>Two accounts, one unknown; an order always asks for the same of the same account.</summary>
    sealed class FundsModel
    {
        readonly AccountDatabase _real;
        readonly Guid[] _accounts;
        readonly decimal[] _available = new decimal[3], _held = new decimal[3], _captured = new decimal[3];
        readonly (ReservationStatus Status, RejectionReason? Reason)?[] _reservations = new (ReservationStatus, RejectionReason?)?[6];
        readonly HashSet<(int, int, int)> _consumed = [];
        readonly World _world;

        public FundsModel(Mutant mutant)
        {
            _world = World.Empty(mutant);
            _real = new AccountDatabase(_world);
            _accounts = [_world.NewId(), _world.NewId(), _world.NewId()];
            foreach (var id in _accounts[..2])
                _real.Open(new Account { AccountId = id, Currency = "EUR", CreateTime = _world.Now, UpdateTime = _world.Now });
        }

        static int AccountOf(int order) => order == 5 ? 2 : order % 2;
        static decimal AmountOf(int order) => 10 + 7 * order;
        static string CurrencyOf(int order) => order == 4 ? "USD" : "EUR";

        public void Run(Op[] ops)
        {
            foreach (var op in ops)
                Step(op);
        }

        void Step(Op op)
        {
            var (account, amount) = (AccountOf(op.Order), AmountOf(op.Order));
            if (op.Kind == 0 && account < 2)
            {
                _real.Deposit(_accounts[account], 15, _world.Now);
                _available[account] += 15;
            }

            if (op.Kind is >= 1 and <= 3)
            {
                object? real;
                try
                {
                    real = Real(op);
                }
                catch (InvalidOperationException)
                {
                    real = "fault";
                }

                var model = _consumed.Contains((op.Kind, op.Order, op.Message)) ? "repeat" : Model(op, account, amount);
                if (model is not "fault")
                    _consumed.Add((op.Kind, op.Order, op.Message));
                Same($"the answer to {op}", real?.ToString(), model?.ToString());
            }

            foreach (var (real, _) in _real.Accounts)
            {
                var i = Array.IndexOf(_accounts, real.AccountId);
                Same($"the balance after {op}", (real.Available, real.Held, real.Captured), (_available[i], _held[i], _captured[i]));
            }

            var reservation = _real.Reservations.GetValueOrDefault(Id(op.Order));
            Same($"the reservation after {op}", reservation == null ? null : (reservation.Status, reservation.Reason), _reservations[op.Order]);
            foreach (var entry in _real.Ledger.GroupBy(x => x.AccountId).Select(x => x.Last()))
            {
                var i = Array.IndexOf(_accounts, entry.AccountId);
                Same($"the ledger after {op}", (entry.AvailableAfter, entry.HeldAfter, entry.CapturedAfter), (_available[i], _held[i], _captured[i]));
            }
        }

        object? Real(Op op)
        {
            var (order, account) = (Id(op.Order), _accounts[AccountOf(op.Order)]);
            object command = op.Kind switch
            {
                1 => new ReserveFunds(order, account, AmountOf(op.Order), CurrencyOf(op.Order)),
                2 => new ReleaseFunds(order, account, CurrencyOf(op.Order)),
                _ => new OrderConfirmed(order, account),
            };
            var messageId = new Guid(op.Kind, (short)op.Order, (short)op.Message, new byte[8]);
            if (_real.IsConsumed(messageId, "funds"))
                return "repeat";
            var unit = new SimUnit { Consumed = (messageId, "funds") };
            var funds = _real.Load(order, account, command);
            var answer = funds.Decide(FundsCommand.Of(command));
            _real.Keep(unit, funds, command);
            _real.Commit(unit);
            return answer;
        }

        /// <summary>Section 5 of the design, as a table.</summary>
        object? Model(Op op, int account, decimal amount)
        {
            var (order, known) = (Id(op.Order), _reservations[op.Order]);
            switch (op.Kind, known?.Status)
            {
                case (1, null):
                    RejectionReason? refusal = account == 2 ? RejectionReason.AccountNotFound
                        : CurrencyOf(op.Order) != "EUR" ? RejectionReason.CurrencyMismatch
                        : _available[account] < amount ? RejectionReason.InsufficientFunds : null;
                    _reservations[op.Order] = refusal == null ? (ReservationStatus.Held, null) : (ReservationStatus.Rejected, refusal);
                    if (refusal is { } reason)
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
                    _reservations[op.Order] = (ReservationStatus.Released, null);
                    _tombstones.Add(op.Order);
                    return new FundsReleased(order, 0);
                case (2, ReservationStatus.Held):
                    _reservations[op.Order] = (ReservationStatus.Released, null);
                    _held[account] -= amount;
                    _available[account] += amount;
                    return new FundsReleased(order, amount);
                case (2, ReservationStatus.Released):
                    return new FundsReleased(order, _tombstones.Contains(op.Order) ? 0 : amount);
                case (2, ReservationStatus.Rejected):
                    return new FundsReleased(order, 0);
                case (3, ReservationStatus.Held):
                    _reservations[op.Order] = (ReservationStatus.Captured, null);
                    _held[account] -= amount;
                    _captured[account] += amount;
                    return null;
                case (3, ReservationStatus.Captured):
                    return null;
                default:
                    return "fault";
            }
        }

        readonly HashSet<int> _tombstones = [];

        static Guid Id(int order) => new(order + 1, 0, 0, new byte[8]);
    }

    /// <summary>Six orders; each event with a timeout's token that is current or not.</summary>
    sealed class SagaModel(Mutant mutant)
    {
        readonly World _world = World.Empty(mutant);
        readonly OrderState?[] _real = new OrderState?[6];
        readonly string[] _model = ["Initial", "Initial", "Initial", "Initial", "Initial", "Initial"];
        readonly Guid?[] _tokens = new Guid?[6];

        public void Run(Op[] ops)
        {
            foreach (var op in ops)
                Step(op);
        }

        void Step(Op op)
        {
            var order = _real[op.Order] ??= new ClientOrder(Guid.Empty, Guid.NewGuid(), 5, "EUR").ToOrder(_world.NewId(), _world.Now);
            var id = order.CorrelationId;
            // Message 0 carries the current token, as long as there is one; any other is of another schedule.
            var token = op.Message == 0 && _tokens[op.Order] is { } current ? current : _world.NewId();
            object content = op.Kind switch
            {
                0 => new OrderSubmitted(id),
                1 => new CancellationRequested(id),
                2 => new FundsReserved(id),
                3 => new ReservationRejected(id, RejectionReason.InsufficientFunds),
                4 => new ReservationTimedOut(id),
                _ => new FundsReleased(id, 0),
            };
            var unit = new SimUnit();
            string real;
            try
            {
                OrderRules.Handle(order, content, op.Kind == 4 ? token : null, unit, _world, () => _world.Now).GetAwaiter().GetResult();
                real = $"{order.CurrentState} {string.Join(',', unit.Messages.Where(x => !x.IsDelayed).Select(x => x.Content.GetType().Name))}";
            }
            catch (Exception e) when (e is MassTransit.MassTransitException or InvalidOperationException)
            {
                real = "fault";
            }

            Same($"{op} in {_model[op.Order]}", real.TrimEnd(), Model(op, token == _tokens[op.Order]));
            if (unit.Messages.Find(x => x.IsDelayed) is { TokenId: { } scheduled })
                _tokens[op.Order] = scheduled;
            if (_model[op.Order] != "Reserving")
                _tokens[op.Order] = null;
        }

        /// <summary>Section 4 of the design, as a table.</summary>
        string Model(Op op, bool isCurrent)
        {
            var state = _model[op.Order];
            var result = (state, op.Kind) switch
            {
                ("Initial", 0) => "Reserving ReserveFunds",
                ("Initial", 1) => "Cancelling ReleaseFunds",
                ("Initial", _) => "fault", // nothing was asked yet that could be answered
                (_, 4) when !isCurrent => state,
                ("Reserving", 0) => "Reserving",
                ("Reserving", 1) => "Cancelling ReleaseFunds",
                ("Reserving", 2) => "Confirmed OrderConfirmed",
                ("Reserving", 3) => "Rejected OrderRejected",
                ("Reserving", 4) => "Cancelling ReleaseFunds",
                ("Reserving", _) => "fault",
                ("Cancelling", 5) => "Cancelled OrderCancelled",
                _ => state,
            };
            if (result != "fault")
                _model[op.Order] = result.Split(' ')[0];
            return result;
        }
    }
}
