using Contracts;
using MassTransit;
using Messaging.Postgres.Database;
using Messaging.Postgres.Sagas;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Orders;

/// <summary>Registers the order saga.</summary>
static class OrderSagaExtensions
{
    /// <summary>Adds the message bus with the saga and its repository, and the options <c>Saga</c>.</summary>
    public static void AddOrderSaga(this WebApplicationBuilder builder)
    {
        // All replicas set and compare the times of an order by the database's clock.
        builder.Services.AddSingleton(x => new OrderStateMachine(
            x.GetRequiredService<IOptions<SagaOptions>>(), x.GetRequiredService<DatabaseClock<OrderDbContext>>()));
        builder.AddMessaging<OrderDbContext>(
            x =>
            {
                x.AddSagaStateMachine<OrderStateMachine, OrderState>((context, saga) =>
                    saga.ConnectSagaConfigurationObserver(new NewerStates(
                        context.GetRequiredService<OrderStateMachine>(),
                        context.GetRequiredService<NewerBuildLog>()))).EntityFrameworkRepository(r =>
                {
                    r.ConcurrencyMode = ConcurrencyMode.Optimistic;
                    r.ExistingDbContext<OrderDbContext>();
                    r.UsePostgres();
                    r.KeepRecentSagas = true;
                });
                x.AddConsumer<OrdersCapturedConsumer>();
            },
            sendsTo:
            [
                OrderStateMachine.ReserveFundsQueue, OrderStateMachine.ReleaseFundsQueue,
                OrderStateMachine.CaptureFundsQueue,
            ],
            publishes: [typeof(OrderConfirmed), typeof(OrderRejected), typeof(OrderCancelled)]);
        builder.Services.AddOptions<SagaOptions>().BindConfiguration("Saga")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSagaEvents<OrderState>().AddScoped<CommandResend>();
        builder.Services.AddHostedService<OverdueAnswers>().AddHostedService<OrderGauges>();
    }
}
