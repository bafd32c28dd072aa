using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Service.Defaults;

/// <summary>
/// Measures every call of the API with its gRPC status. ASP.NET Core's own <c>http.server.request.duration</c> reports
/// 200 for a failed gRPC call. Calls end in several places (the methods, admission, the filters for unreadable ones),
/// so this is the outermost middleware and reads the status from the response.
/// </summary>
sealed class RpcMetrics(RequestDelegate next)
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Service.Defaults";

    /// <summary>The label with the name of the method.</summary>
    public const string MethodLabel = "rpc.method";

    static readonly Meter Meter = new(MeterName);

    static readonly Histogram<double> Duration = Meter.CreateHistogram("rpc.server.call.duration", "s",
        "Duration of calls, by gRPC status", advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries =
                [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
        });

    static readonly KeyValuePair<string, object?> System = new("rpc.system.name", "grpc");

    readonly ConcurrentDictionary<Endpoint, string?> _methods = new();

    public async Task InvokeAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            var span = Activity.Current is { Recorded: true } current ? current : null;
            if ((Duration.Enabled || span != null)
                && context.GetEndpoint() is { } endpoint && MethodOf(endpoint) is { } method)
                Ended(Stopwatch.GetElapsedTime(started), new(MethodLabel, method), RpcStatus.Of(context), span);
        }
    }

    static void Ended(TimeSpan duration, KeyValuePair<string, object?> method, StatusCode code, Activity? span)
    {
        var status = new KeyValuePair<string, object?>("rpc.response.status_code", RpcStatus.NameOf(code));
        Duration.Record(duration.TotalSeconds, System, method, status);
        span?.SetTag(System.Key, System.Value).SetTag(method.Key, method.Value).SetTag(status.Key, status.Value);
        if (code is StatusCode.Internal or StatusCode.Unknown or StatusCode.Unavailable or StatusCode.DataLoss
            or StatusCode.DeadlineExceeded or StatusCode.Unimplemented) // errors of the server, by the conventions
            span?.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>The name of the method, such as <c>orders.v1.OrderService/CreateOrder</c>, or null.</summary>
    string? MethodOf(Endpoint endpoint) => _methods.GetOrAdd(endpoint,
        static x => x.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.FullName.TrimStart('/'));
}
