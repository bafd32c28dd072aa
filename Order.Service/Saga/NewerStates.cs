using MassTransit;
using Service.Defaults;

namespace Orders;

/// <summary>Adds <see cref="NewerStateFilter{TMessage}" /> to every message of the order saga.</summary>
sealed class NewerStates(OrderStateMachine machine, NewerBuildLog log) : ISagaConfigurationObserver
{
    public void SagaMessageConfigured<TSaga, TMessage>(ISagaMessageConfigurator<TSaga, TMessage> configurator)
        where TSaga : class, ISaga
        where TMessage : class
    {
        if (configurator is ISagaMessageConfigurator<OrderState, TMessage> order)
            order.UseFilter(new NewerStateFilter<TMessage>(machine, log));
    }

    public void SagaConfigured<TSaga>(ISagaConfigurator<TSaga> configurator) where TSaga : class, ISaga
    {
    }

    public void StateMachineSagaConfigured<TInstance>(ISagaConfigurator<TInstance> configurator,
        SagaStateMachine<TInstance> stateMachine)
        where TInstance : class, ISaga, SagaStateMachineInstance
    {
    }
}
