using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Limits the calls that each caller makes on this replica: a token bucket for each.</summary>
sealed class CallerRate(IOptions<CallerOptions> options) : IConfigureOptions<RateLimiterOptions>
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    /// <summary>A caller who has been quiet may make so many seconds' calls at once.</summary>
    const int BurstSeconds = 2;

    readonly double _callsPerSecond = options.Value.MaxCallsPerSecond;

    public void Configure(RateLimiterOptions options)
    {
        options.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context =>
            _callsPerSecond > 0 && context.User is CallerPrincipal { Caller.Owner: { } owner }
                ? RateLimitPartition.GetTokenBucketLimiter(owner, _ => Bucket())
                : RateLimitPartition.GetNoLimiter(""));
        options.OnRejected = (context, _) => new ValueTask(RejectAsync(context.HttpContext));
    }

    TokenBucketRateLimiterOptions Bucket() => new()
    {
        ReplenishmentPeriod = Period,
        TokensPerPeriod = (int)Math.Max(1, _callsPerSecond * Period.TotalSeconds),
        TokenLimit = (int)Math.Max(1, _callsPerSecond * BurstSeconds),
        QueueLimit = 0,
    };

    static Task RejectAsync(HttpContext context) => RpcErrorResponse.WriteAsync(context, RpcErrors.ResourceExhausted(
        "TOO_MANY_CALLS_OF_CALLER", "this caller makes too many calls; retry later"));
}
