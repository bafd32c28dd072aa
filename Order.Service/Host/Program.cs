using Contracts;
using MassTransit;
using Orders;
using Service.Defaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddApi<OrderDbContext>();
builder.AddWarmUpCalls(OrderWarmUp.Calls);
builder.AddDatabase<OrderDbContext>();
builder.AddMessaging<OrderDbContext>(x => x
    .AddSagaStateMachine<OrderStateMachine, OrderState>()
    .EntityFrameworkRepository(r =>
    {
        r.ConcurrencyMode = ConcurrencyMode.Optimistic;
        r.ExistingDbContext<OrderDbContext>();
        r.UsePostgres();
        r.KeepRecentSagas = true;
    }),
    sendsTo: [OrderStateMachine.ReserveFundsQueue, OrderStateMachine.ReleaseFundsQueue],
    publishes: [typeof(OrderConfirmed), typeof(OrderRejected), typeof(OrderCancelled)]);
builder.Services.AddOptions<SagaOptions>().BindConfiguration("Saga").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddOptions<AdmissionOptions>().BindConfiguration("Admission").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSagaEvents<OrderState>();
builder.Services.AddSingleton<AdmissionControl>().AddHostedService(x => x.GetRequiredService<AdmissionControl>());
builder.Services.AddSingleton<OrderWatcher>().AddHostedService(x => x.GetRequiredService<OrderWatcher>());

var app = builder.Build();
if (!await app.MigrateAsync<OrderDbContext>(args))
    return;
await app.WarmUpAsync<OrderDbContext>(OrderWarmUp.RunAsync);
app.UseRouting().UseMiddleware<AdmissionGate>();
app.MapApi();
app.MapGrpcService<OrderGrpcService>().RequireKnownFields();
await app.RunAsync();
