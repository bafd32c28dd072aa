using Contracts;
using MassTransit;
using Messaging.Postgres.Sagas;
using Microsoft.AspNetCore.Builder;
using Service.Defaults;

namespace Orders;

/// <summary>Registers the order saga.</summary>
static class OrderSagaExtensions
{
    /// <summary>Adds the message bus with the saga and its repository, and the options <c>Saga</c>.</summary>
    public static void AddOrderSaga(this WebApplicationBuilder builder)
    {
        builder.AddMessaging<OrderDbContext>(
            x => x.AddSagaStateMachine<OrderStateMachine, OrderState>().EntityFrameworkRepository(r =>
            {
                r.ConcurrencyMode = ConcurrencyMode.Optimistic;
                r.ExistingDbContext<OrderDbContext>();
                r.UsePostgres();
                r.KeepRecentSagas = true;
            }),
            sendsTo: [OrderStateMachine.ReserveFundsQueue, OrderStateMachine.ReleaseFundsQueue],
            publishes: [typeof(OrderConfirmed), typeof(OrderRejected), typeof(OrderCancelled)]);
        builder.Services.AddOptions<SagaOptions>().BindConfiguration("Saga")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSagaEvents<OrderState>();
    }
}
