using MassTransit;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Postpones the messages of orders in a state that this build does not know: while a newer build is being installed,
/// or after it was removed again.
/// </summary>
sealed class NewerStateFilter<TMessage>(OrderStateMachine machine, NewerBuildLog log)
    : IFilter<SagaConsumeContext<OrderState, TMessage>> where TMessage : class
{
    readonly HashSet<string> _known = [.. machine.States.Select(x => x.Name)];

    public Task Send(SagaConsumeContext<OrderState, TMessage> context,
        IPipe<SagaConsumeContext<OrderState, TMessage>> next)
    {
        if (_known.Contains(context.Saga.CurrentState))
            return next.Send(context);
        log.Postponed(typeof(TMessage).Name, context.Saga.CorrelationId,
            $"the order is in the state {context.Saga.CurrentState}");
        return context.PostponeAsync();
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("newerState");
}
