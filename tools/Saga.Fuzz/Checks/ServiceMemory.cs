using System.Diagnostics;
using System.Diagnostics.Tracing;
using Microsoft.Diagnostics.NETCore.Client;
using Saga.Servers;
using Saga.Services;

namespace Saga.Fuzz;

/// <summary>The memory of a service that is idle.</summary>
/// <param name="Service">The name of the service.</param>
/// <param name="Live">The bytes of the objects that a full garbage collection keeps.</param>
/// <param name="Resident">The bytes that the process occupies.</param>
sealed record ServiceMemory(string Service, long Live, long Resident)
{
    const string RuntimeProvider = "Microsoft-Windows-DotNETRuntime";
    const long CollectKeyword = 0x800000; // a session with it begins with a full collection
    const int Attempts = 3; // an object of a call that has just ended can survive a collection

    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(60);

    /// <summary>Collects the garbage of a service and measures what is left.</summary>
    public static async Task<ServiceMemory> ReadAsync(ServiceReplica replica, CancellationToken cancellationToken)
    {
        var live = long.MaxValue;
        for (var i = 0; i < Attempts; i++)
            live = Math.Min(live, await CollectAsync(replica, cancellationToken));
        return new ServiceMemory(replica.Name, live, ResidentOf(replica.ProcessId));
    }

    static async Task<long> CollectAsync(ServiceReplica replica, CancellationToken cancellationToken)
    {
        var before = await CollectionsAsync(replica, cancellationToken);
        using var session = new DiagnosticsClient(replica.ProcessId).StartEventPipeSession(
            new EventPipeProvider(RuntimeProvider, EventLevel.Informational, CollectKeyword), requestRundown: false);
        await Wait.UntilAsync(async () => await CollectionsAsync(replica, cancellationToken) > before, MaxWait,
            () => $"a full garbage collection of {replica.Name}", cancellationToken);
        await session.StopAsync(cancellationToken);
        var scrape = await Scrape.ReadAsync(replica, cancellationToken);
        return (long)(scrape.Sum("dotnet_gc_last_collection_heap_size_bytes")
            - scrape.Sum("dotnet_gc_last_collection_heap_fragmentation_size_bytes"));
    }

    static async Task<double> CollectionsAsync(ServiceReplica replica, CancellationToken cancellationToken) =>
        (await Scrape.ReadAsync(replica, cancellationToken))
            .Sum("dotnet_gc_collections_total", ("gc_heap_generation", "gen2"));

    static long ResidentOf(int processId)
    {
        using var process = Process.GetProcessById(processId);
        return process.WorkingSet64;
    }
}
