using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Service.Defaults;

namespace Operations;

/// <summary>Registers and maps the API for operators.</summary>
static class OperationsApiExtensions
{
    static readonly TimeSpan ManagementTimeout = TimeSpan.FromSeconds(10);
    static readonly TimeSpan TokenTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Adds the parts of <see cref="OperationsGrpcService" />, and reconciliation.</summary>
    public static void AddOperationsApi(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<ServiceOptions>().BindConfiguration("Services").ValidateDataAnnotations().ValidateOnStart();
        services.AddOptions<ManagementOptions>().BindConfiguration(BrokerExtensions.RabbitMq)
            .ValidateDataAnnotations().ValidateOnStart();
        services.AddBroker();
        services.AddHttpClient(nameof(ServiceToken), x => x.Timeout = TokenTimeout);
        services.AddSingleton(x => ActivatorUtilities.CreateInstance<ServiceToken>(x,
            x.GetRequiredService<IHttpClientFactory>().CreateClient(nameof(ServiceToken))));
        services.AddSingleton<IStartCheck, ServiceTokenCheck>();
        services.AddSingleton<ServiceCertificate>()
            .AddSingleton<IStartCheck>(x => x.GetRequiredService<ServiceCertificate>());
        services.AddSingleton<ServiceClients>().AddSingleton<AuditTrail>().AddScoped<AuditList>();
        services.AddHttpClient<Broker>(x => x.Timeout = ManagementTimeout);
        services.AddSingleton<VisitedMessages>().AddSingleton<DeadLetterQueues>().AddSingleton<DeadLetterList>()
            .AddSingleton<DeadLetterReplay>()
            .AddSingleton<DeadLetterDiscard>().AddSingleton<LetterOrders>().AddSingleton<QueueList>()
            .AddSingleton<Explainer>().AddSingleton<HoldReleases>().AddSingleton<DayReport>();
        services.AddOptions<ReconciliationOptions>().BindConfiguration("Reconciliation")
            .ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<Comparison>().AddSingleton<ReconciliationStore>()
            .AddHostedService<Reconciler>().AddHostedService<MismatchGauges>().AddHostedService<ReconciliationAges>();
        services.AddGrpc().AddServiceOptions<OperationsGrpcService>(x => x.Interceptors.Add<OperatorInterceptor>());
        services.AddSingleton<OperatorInterceptor>();
        services.AddSingleton<StuckList>().AddSingleton<OverviewReader>().AddSingleton<OperatorActions>();
    }

    /// <summary>Maps <see cref="OperationsGrpcService" />, which also serves HTTP/JSON.</summary>
    public static void MapOperationsApi(this WebApplication app) =>
        app.MapGrpcService<OperationsGrpcService>().RequireAuthorization(Scopes.Administer).ValidateJson();
}
