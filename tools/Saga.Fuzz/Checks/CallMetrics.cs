using Saga.Services;

namespace Saga.Fuzz;

/// <summary>
/// What must hold for the metrics of the services: operators are alarmed by them, and they also count the calls whose
/// clients did not wait.
/// </summary>
static class CallMetrics
{
    static readonly string[] Faults = ["INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"];

    /// <summary>The calls that a service has counted as its own faults.</summary>
    public static async Task<IEnumerable<string>> FindFaultsAsync(
        ServiceReplica replica, CancellationToken cancellationToken) =>
        (await Scrape.ReadAsync(replica, cancellationToken)).All
            .Where(x => x.Name == "rpc_server_call_duration_seconds_count"
                && Faults.Contains(x.Labels.GetValueOrDefault("rpc_response_status_code")))
            .Select(x => $"{replica.Name} has counted {x.Value} calls of {x.Labels.GetValueOrDefault("rpc_method")} as "
                + $"{x.Labels["rpc_response_status_code"]}");
}
