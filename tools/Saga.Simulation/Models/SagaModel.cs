using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>
/// The model of the saga: six orders, timeouts with a current or a stale token, and answers that are overdue within the
/// reservation timeout or beyond it.
/// </summary>
sealed class SagaModel(Mutant mutant)
{
    const int AnswerIsOverdue = 7;

    readonly World _world = World.Empty(mutant);
    readonly OrderState?[] _real = new OrderState?[6];
    readonly string[] _model = ["Initial", "Initial", "Initial", "Initial", "Initial", "Initial"];
    readonly Guid?[] _tokens = new Guid?[6];
    readonly DateTime[] _entered = new DateTime[6];
    readonly bool[] _isCaptured = new bool[6];

    public void Run(ModelStep[] steps)
    {
        foreach (var step in steps)
            Run(step);
    }

    void Run(ModelStep step)
    {
        var order = _real[step.Order] ??= new ClientOrder(Guid.Empty, Guid.NewGuid(), 5, "EUR")
            .ToOrder(_world.NewId(), _world.Now);
        var id = order.CorrelationId;
        if (step is { Kind: AnswerIsOverdue, Message: 0 })
            _world.Now += StateMachineRunner.Timeout + TimeSpan.FromSeconds(1);
        // Message 0 carries the current token if one exists; all others carry a stale token.
        var token = step.Message == 0 && _tokens[step.Order] is { } current ? current : _world.NewId();
        object content = step.Kind switch
        {
            0 => new OrderSubmitted(id),
            1 => new CancellationRequested(id, null),
            2 => new FundsReserved(id),
            3 => new ReservationRejected(id, RejectionReason.InsufficientFunds),
            4 => new ReservationTimedOut(id),
            5 => new FundsReleased(id, 0),
            6 => new FundsCaptured(id),
            8 => new ReleaseRequested(id),
            _ => new AnswerOverdue(id),
        };
        var transaction = new SimTransaction();
        string real;
        try
        {
            StateMachineRunner.Handle(order, content, step.Kind == 4 ? token : null, transaction, _world,
                () => _world.Now).GetAwaiter().GetResult();
            var sent = transaction.Messages.Where(x => !x.IsDelayed).Select(x => x.Content.GetType().Name);
            real = $"{order.CurrentState} {string.Join(',', sent)}";
        }
        catch (Exception e) when (e is MassTransit.MassTransitException or InvalidOperationException)
        {
            real = "fault";
        }

        var before = _model[step.Order];
        Models.AssertEqual($"{step} in {before}", real.TrimEnd(), Model(step, token == _tokens[step.Order]));
        if (_model[step.Order] != before)
            _entered[step.Order] = _world.Now;
        var awaits = _model[step.Order] is "Reserving" or "Cancelling"
            || (_model[step.Order] == "Confirmed" && !_isCaptured[step.Order]);
        Models.AssertEqual($"waiting for Account after {step}", order.ResendTime != null, awaits);
        if (transaction.Messages.Find(x => x.IsDelayed) is { TokenId: { } scheduled })
            _tokens[step.Order] = scheduled;
        if (_model[step.Order] != "Reserving")
            _tokens[step.Order] = null;
    }

    /// <summary>The specified new state and message of each event.</summary>
    string Model(ModelStep step, bool isCurrent)
    {
        var state = _model[step.Order];
        var result = (state, step.Kind) switch
        {
            ("Initial", 0) => "Reserving ReserveFunds",
            ("Initial", 1 or 8) => "Cancelling ReleaseFunds",
            ("Rejected" or "Cancelled", 8) => $"{state} ReleaseFunds",
            (_, 8) => "fault", // such an order captures or releases its funds itself
            ("Initial", _) => "fault", // no reply can precede the command
            (_, 4) when !isCurrent => state,
            ("Reserving", 0) => "Reserving",
            ("Reserving", 1) => "Cancelling ReleaseFunds",
            ("Reserving", 2) => "Confirmed OrderConfirmed",
            ("Reserving", 3) => "Rejected OrderRejected",
            ("Reserving", 4) => "Cancelling ReleaseFunds",
            ("Reserving", AnswerIsOverdue) => IsTimedOut(step.Order)
                ? "Cancelling ReleaseFunds" : "Reserving ReserveFunds",
            ("Reserving", _) => "fault",
            ("Cancelling", 5) => "Cancelled OrderCancelled",
            ("Cancelling", AnswerIsOverdue) => "Cancelling ReleaseFunds",
            ("Confirmed", AnswerIsOverdue) when !_isCaptured[step.Order] => "Confirmed OrderConfirmed",
            (not "Confirmed", 6) => "fault",
            _ => state,
        };
        if (result != "fault")
            _model[step.Order] = result.Split(' ')[0];
        _isCaptured[step.Order] |= (result, step.Kind) == ("Confirmed", 6);
        return result;
    }

    bool IsTimedOut(int order) => _world.Now - _entered[order] > StateMachineRunner.Timeout;
}
