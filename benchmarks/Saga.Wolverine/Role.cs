using Microsoft.EntityFrameworkCore;
using Wolverine;
using Wolverine.EntityFrameworkCore;
using Wolverine.RabbitMQ;

namespace Saga.Wolverine;

/// <summary>The parts in which the two processes differ.</summary>
/// <param name="Schema">The SQL that creates the role's tables.</param>
/// <param name="ConfigureMessages">Adds the role's handlers, queues and database to Wolverine.</param>
/// <param name="AddServices">Adds the role's other services.</param>
/// <param name="MapApi">Maps the role's gRPC service.</param>
sealed record Role(string Schema, Action<WolverineOptions> ConfigureMessages, Action<IServiceCollection> AddServices,
    Action<WebApplication> MapApi)
{
    const string ReserveQueue = "reserve-funds";
    const string CaptureQueue = "capture-funds";
    const string AnswerQueue = "order-state";

    /// <summary>Finds a role by its name: order or account.</summary>
    public static Role Find(string? name) => name switch
    {
        "order" => Order,
        "account" => Account,
        _ => throw new InvalidOperationException($"Role must be order or account; it is {name}"),
    };

    static Role Order { get; } = new(OrderContext.Schema, options =>
    {
        AddDatabase<OrderContext>(options);
        options.Discovery.IncludeType(typeof(FundsReservedHandler)).IncludeType(typeof(FundsCapturedHandler));
        options.ListenToRabbitQueue(AnswerQueue);
        options.PublishMessage<ReserveFunds>().ToRabbitQueue(ReserveQueue);
        options.PublishMessage<OrderConfirmed>().ToRabbitQueue(CaptureQueue);
    }, services =>
    {
        services.AddSingleton<ConfirmedOrders>();
        services.AddHostedService(x => x.GetRequiredService<ConfirmedOrders>());
    }, app => app.MapGrpcService<OrderGrpcService>());

    static Role Account { get; } = new(AccountContext.Schema, options =>
    {
        AddDatabase<AccountContext>(options);
        options.Discovery.IncludeType(typeof(ReserveFundsHandler)).IncludeType(typeof(OrderConfirmedHandler));
        options.ListenToRabbitQueue(ReserveQueue);
        options.ListenToRabbitQueue(CaptureQueue);
        options.PublishMessage<FundsReserved>().ToRabbitQueue(AnswerQueue);
        options.PublishMessage<FundsCaptured>().ToRabbitQueue(AnswerQueue);
    }, _ => { }, app => app.MapGrpcService<AccountGrpcService>());

    static void AddDatabase<TContext>(WolverineOptions options) where TContext : DbContext =>
        options.Services.AddDbContextWithWolverineIntegration<TContext>((services, db) => db
            .UseNpgsql(services.GetRequiredService<Npgsql.NpgsqlDataSource>()).UseSnakeCaseNamingConvention(),
            WolverineSettings.Schema);
}
