using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Calls the service through its own port once that is open, so that the first call of a client does not wait for what .NET does at a
/// first time. The service is not ready before; where that fails or takes too long it is all the same, and says so.
/// </summary>
/// <param name="configuration">Says where the service takes gRPC.</param>
/// <param name="lifetime">Says when it does.</param>
/// <param name="log">Told of a failure.</param>
/// <param name="calls">Calls which the service refuses.</param>
sealed partial class WarmUpCalls(IConfiguration configuration, IHostApplicationLifetime lifetime, ILogger<WarmUpCalls> log,
    IReadOnlyList<Func<CallInvoker, CallOptions, Task>> calls) : BackgroundService, IHealthCheck
{
    const string AddressKey = "Kestrel:Endpoints:Grpc:Url";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(stoppingToken);
        try
        {
            using var channel = GrpcChannel.ForAddress(FindAddress(), new GrpcChannelOptions
            {
                HttpHandler = new SocketsHttpHandler { UseProxy = false },
                DisposeHttpClient = true,
                ThrowOperationCanceledOnCancellation = true,
            });
            var (service, options) = (channel.CreateCallInvoker(), new CallOptions(deadline: DateTime.UtcNow + WarmUpExtensions.MaxTime, cancellationToken: stoppingToken));
            for (var i = 0; i < WarmUpExtensions.Rounds; i++)
            {
                foreach (var call in calls)
                    await BeRefused(call(service, options));
            }
        }
        catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
        {
            LogFailed(e);
        }
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(ExecuteTask is { IsCompletedSuccessfully: true } ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, "the service has not called itself yet"));

    static async Task BeRefused(Task call)
    {
        try
        {
            await call;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.ResourceExhausted)
        {
            return;
        }

        throw new InvalidOperationException("A call that is meant to be refused was not");
    }

    Uri FindAddress()
    {
        var bound = BindingAddress.Parse(configuration[AddressKey] ?? throw new InvalidOperationException($"{AddressKey} is not set"));
        var host = bound.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "localhost" : bound.Host;
        return new Uri($"{bound.Scheme}://{host}:{bound.Port}");
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The service could not call itself: its first calls will be slow")]
    partial void LogFailed(Exception error);
}
