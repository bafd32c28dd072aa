using System.Diagnostics;
using Grpc.Core;
using Npgsql;

namespace Saga.Drill;

/// <summary>
/// Walks a fault through its four steps: it is seen, explained, mended by one command, and nothing of it is left. All
/// of that by Operations.Service, as an operator does it.
/// </summary>
/// <param name="plant">The system.</param>
/// <param name="maxSeenTime">How long a fault may remain unseen or unexplained.</param>
/// <param name="maxHealTime">How long the system may take after the command.</param>
sealed class DrillRun(DrillPlant plant, TimeSpan maxSeenTime, TimeSpan maxHealTime)
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    /// <summary>Runs a fault; a step that fails ends it, and is in the result.</summary>
    public async Task<DrillResult> RunAsync(DrillFault fault, CancellationToken cancellationToken)
    {
        var result = new DrillResult(fault.Name);
        try
        {
            await fault.InjectAsync(cancellationToken);
            var injected = Stopwatch.StartNew();
            var sign = await UntilAsync("seen", maxSeenTime, injected, fault.FindSignAsync, cancellationToken);
            result = result with { Sign = sign, SeenAfter = injected.Elapsed };

            var output = "";
            var explanation = await UntilAsync("explained", maxSeenTime, injected, async token =>
            {
                output = await ExplainAsync(fault, token);
                return output.Split('\n').FirstOrDefault(x => x.Contains(fault.Cause, StringComparison.Ordinal))
                    ?.Trim();
            }, cancellationToken, () => $": nothing says \"{fault.Cause}\" in\n{output}");
            result = result with { Explanation = explanation };

            await fault.RemoveCauseAsync(cancellationToken);
            result = result with { Mend = await fault.MendAsync(output, cancellationToken) };

            string? unhealthy = null;
            var mended = Stopwatch.StartNew();
            await UntilAsync("healthy", maxHealTime, mended, async token =>
                (unhealthy = await plant.FindUnhealthyAsync(fault.OrderId, token)) == null ? "" : null,
                cancellationToken, () => $": {unhealthy}");
            return result with { HealthyAfter = mended.Elapsed };
        }
        catch (Exception e) when (e is DrillException or RpcException or TimeoutException or NpgsqlException
            or HttpRequestException)
        {
            return result with { Failure = e.Message };
        }
        finally
        {
            await fault.CleanUpAsync();
        }
    }

    async Task<string> ExplainAsync(DrillFault fault, CancellationToken cancellationToken)
    {
        var (_, output, error) = await plant.Ops.RunAsync(
            fault.OrderId is { } order ? ["explain", order] : ["dead-letters"], cancellationToken);
        return output + error;
    }

    /// <summary>Repeats a question until it has an answer.</summary>
    static async Task<string> UntilAsync(string step, TimeSpan limit, Stopwatch since,
        Func<CancellationToken, Task<string?>> ask, CancellationToken cancellationToken, Func<string>? detail = null)
    {
        while (true)
        {
            if (await ask(cancellationToken) is { } answer)
                return answer;
            if (since.Elapsed > limit)
                throw new DrillException($"not {step} within {limit.TotalSeconds:F0} s{detail?.Invoke()}");
            await Task.Delay(Pause, cancellationToken);
        }
    }
}
