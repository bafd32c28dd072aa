using MassTransit;

namespace Orders;

/// <summary>Notes in an order which event it handles, so that its history shows the event.</summary>
sealed class LastEventObserver : IEventObserver<OrderState>
{
    const string AnyReceived = $".{nameof(Schedule<OrderState, ReservationTimedOut>.AnyReceived)}";

    public Task PreExecute<T>(BehaviorContext<OrderState, T> context) where T : class
    {
        // Entering and leaving a state are events, too. A timeout comes twice; the second time if it is not stale.
        if (typeof(T) != typeof(State) && !context.Event.Name.EndsWith(AnyReceived, StringComparison.Ordinal))
            context.Saga.LastEvent = typeof(T).Name;
        return Task.CompletedTask;
    }

    public Task PreExecute(BehaviorContext<OrderState> context) => Task.CompletedTask;

    public Task PostExecute(BehaviorContext<OrderState> context) => Task.CompletedTask;

    public Task PostExecute<T>(BehaviorContext<OrderState, T> context) where T : class => Task.CompletedTask;

    public Task ExecuteFault(BehaviorContext<OrderState> context, Exception exception) => Task.CompletedTask;

    public Task ExecuteFault<T>(BehaviorContext<OrderState, T> context, Exception exception) where T : class =>
        Task.CompletedTask;
}
