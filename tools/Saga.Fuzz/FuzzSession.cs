using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Orders.V1;
using Saga.Audit;
using Saga.Services;

namespace Saga.Fuzz;

/// <summary>Fuzzes a system that runs, and judges its responses, its logs, its memory and its money.</summary>
/// <param name="system">The system, with <see cref="LogRules.Settings" />.</param>
/// <param name="seed">Decides what the calls are.</param>
sealed class FuzzSession(OrderSystem system, int seed)
{
    const int Concurrency = 16;

    // Of the calls, those before the first measurement: caches fill, and code is compiled.
    const double WarmUpShare = 0.2;

    /// <summary>How much more memory a service may keep after all calls than after the first, in bytes.</summary>
    const long MaxLiveGrowth = 12_000_000;

    /// <summary>
    /// How much more memory a process may occupy, in bytes: the generation of new objects alone has 64 MiB
    /// (docker/service.Dockerfile), and buffers of large bodies are kept for the next ones.
    /// </summary>
    const long MaxResidentGrowth = 150_000_000;

    static readonly TimeSpan MaxSettleTime = TimeSpan.FromSeconds(60);

    readonly FuzzCallers _callers = new();
    readonly ConcurrentDictionary<string, int> _statuses = new();
    readonly ConcurrentQueue<(int Number, string Text)> _faults = new();

    /// <summary>Makes the calls, and checks everything.</summary>
    public async Task<FuzzReport> RunAsync(int calls, CancellationToken cancellationToken)
    {
        var ids = await new FuzzSetup(system, _callers).RunAsync(new Random(seed));
        var plan = new CallPlan(seed, ids, _callers);
        using var sender = new CallSender(system);
        var warmUp = (int)(calls * WarmUpShare);
        var watch = Stopwatch.StartNew();
        await SendAsync(1, warmUp);
        watch.Stop();
        var before = await ReadMemoryAsync(cancellationToken);
        watch.Start();
        await SendAsync(warmUp + 1, calls);
        watch.Stop();
        var audit = await Auditor.Of(system).AuditAsync(MaxSettleTime, cancellationToken);
        var memory = before.Zip(await ReadMemoryAsync(cancellationToken)).ToList();
        return new FuzzReport(seed, calls, watch.Elapsed, _statuses, memory,
        [
            .. _faults.OrderBy(x => x.Number).Select(x => x.Text), .. memory.SelectMany(FindGrowth),
            .. (await Task.WhenAll(Replicas.Select(x => CallMetrics.FindFaultsAsync(x, cancellationToken))))
                .SelectMany(x => x),
            .. Replicas.SelectMany(LogRules.FindFaults), .. audit.Violations,
        ]);

        Task SendAsync(int first, int last)
        {
            var next = first - 1;
            return Task.WhenAll(Enumerable.Range(0, Concurrency).Select(_ => Task.Run(async () =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) <= last;)
                    await JudgeAsync(plan.Next(i), sender, ids, cancellationToken);
            }, cancellationToken)));
        }
    }

    /// <summary>Makes one call of a seed, and returns it with its response.</summary>
    public async Task<(FuzzCall Call, FuzzResponse Response)> RunOneAsync(
        int number, CancellationToken cancellationToken)
    {
        var ids = await new FuzzSetup(system, _callers).RunAsync(new Random(seed));
        using var sender = new CallSender(system);
        var call = new CallPlan(seed, ids, _callers).Next(number);
        return (call, await sender.SendAsync(call, cancellationToken));
    }

    IEnumerable<ServiceReplica> Replicas => [system.Orders[0], system.Accounts[0]];

    async Task<List<ServiceMemory>> ReadMemoryAsync(CancellationToken cancellationToken) =>
        [.. await Task.WhenAll(Replicas.Select(x => ServiceMemory.ReadAsync(x, cancellationToken)))];

    static IEnumerable<string> FindGrowth((ServiceMemory Before, ServiceMemory After) memory)
    {
        var (before, after) = memory;
        if (after.Live - before.Live > MaxLiveGrowth)
            yield return $"{before.Service} keeps {after.Live - before.Live:N0} bytes more than after the first calls";
        if (after.Resident - before.Resident > MaxResidentGrowth)
            yield return $"{before.Service} occupies {after.Resident - before.Resident:N0} bytes more than after the "
                + "first calls";
    }

    async Task JudgeAsync(FuzzCall call, CallSender sender, KnownIds ids, CancellationToken cancellationToken)
    {
        var response = await sender.SendAsync(call, cancellationToken);
        _statuses.AddOrUpdate(response.Kind(call.IsGrpc), 1, (_, x) => x + 1);
        if (ResponseRules.FindFault(call, response) is { } fault)
            _faults.Enqueue((call.Number, $"{fault}\n  seed {seed}, call {call.Number}: {call}"));
        else if (call.Method.Name == "CreateOrder" && FindOrder(call, response) is { } order)
            ids.Created(call.Caller, order);
    }

    static string? FindOrder(FuzzCall call, FuzzResponse response)
    {
        const int HeaderSize = 5; // of a frame
        if (call.IsGrpc)
            return response is { Code: StatusCode.OK, Body.Length: > HeaderSize }
                ? CreateOrderResponse.Parser.ParseFrom(response.Body.Span[HeaderSize..]).OrderId : null;
        return response.Http == 200 && call.Damage != Damage.Target
            ? JsonDocument.Parse(response.Body).RootElement.GetProperty("orderId").GetString() : null;
    }
}
