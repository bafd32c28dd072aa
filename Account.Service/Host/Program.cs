using Accounts;
using Contracts;
using MassTransit;
using Service.Defaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddApi<AccountDbContext>();
builder.AddDatabase<AccountDbContext>();
builder.AddMessaging<AccountDbContext>(x =>
    {
        x.AddConsumer<ReserveFundsConsumer>();
        x.AddConsumer<ReleaseFundsConsumer>();
        x.AddConsumer<CaptureFundsConsumer>();
    },
    sendsTo: [],
    publishes: [typeof(FundsReserved), typeof(ReservationRejected), typeof(FundsReleased)]);
builder.Services.AddSingleton<FundsStep>().AddScoped<FundsHandler>();

var app = builder.Build();
if (!await app.MigrateAsync<AccountDbContext>(args))
    return;
await app.WarmUpAsync<AccountDbContext>(FundsWarmUp.RunAsync);
app.MapApi();
app.MapGrpcService<AccountGrpcService>().RequireKnownFields();
await app.RunAsync();
