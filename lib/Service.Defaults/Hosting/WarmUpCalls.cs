using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Calls the service through its own port once it is open, so that the first call of a client does not wait for the
/// JIT compiler. The service is not ready until the calls have finished. If they fail or time out, the service logs
/// that and becomes ready anyway.
/// </summary>
/// <param name="configuration">The address of the gRPC endpoint.</param>
/// <param name="token">The token for the calls.</param>
/// <param name="certificate">The certificate of the port, if it has one.</param>
/// <param name="lifetime">Signals that the endpoint is open.</param>
/// <param name="log">The log.</param>
/// <param name="calls">Calls that the service rejects, so that they change nothing.</param>
sealed partial class WarmUpCalls(
    IConfiguration configuration,
    WarmUpToken token,
    ServerCertificate certificate,
    IHostApplicationLifetime lifetime,
    ILogger<WarmUpCalls> log,
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
            await CallAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
        {
            WarmUpExtensions.LogEnded(log, WarmUpExtensions.MaxTime);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e);
        }
    }

    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(ExecuteTask is { IsCompletedSuccessfully: true }
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, "the warm-up calls have not finished"));

    async Task CallAsync(CancellationToken stoppingToken)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        certificate.ApplyToOwnCalls(handler.SslOptions);
        using var channel = GrpcChannel.ForAddress(FindAddress(), new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            ThrowOperationCanceledOnCancellation = true,
        });
        var service = channel.CreateCallInvoker();
        // Not sampled: nobody looks for the traces of these calls.
        var (trace, span) = (ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom());
        var options = new CallOptions(new Metadata
        {
            { "authorization", $"Bearer {token.Value}" },
            { "traceparent", $"00-{trace}-{span}-00" },
        }, DateTime.UtcNow + WarmUpExtensions.MaxTime, stoppingToken);
        for (var i = 0; i < WarmUpExtensions.Rounds; i++)
            foreach (var call in calls)
                await ExpectRejectionAsync(call(service, options));
    }

    static async Task ExpectRejectionAsync(Task call)
    {
        try
        {
            await call;
        }
        catch (RpcException e) when (e.StatusCode
            is StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.ResourceExhausted)
        {
            return;
        }

        throw new InvalidOperationException("a warm-up call was not rejected; it may have changed data");
    }

    Uri FindAddress()
    {
        var bound = BindingAddress.Parse(configuration[AddressKey]
            ?? throw new InvalidOperationException($"{AddressKey} is not set: it must be the address of gRPC"));
        var host = bound.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "localhost" : bound.Host;
        return new Uri($"{bound.Scheme}://{host}:{bound.Port}");
    }

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The service could not call itself to warm up. It works, but its first calls will be slow")]
    partial void LogFailed(Exception error);
}
