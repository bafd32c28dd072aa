using Saga.Services;

namespace Saga.Attack;

/// <summary>Reads the metrics of all replicas once a second.</summary>
/// <param name="system">The replicas.</param>
/// <param name="now">Returns the seconds since the start of the attack.</param>
sealed class TimelineRecorder(OrderSystem system, Func<double> now)
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), MaxAnswerTime = TimeSpan.FromSeconds(0.8);

    readonly Dictionary<(ServiceReplica Replica, string Counter), (double Value, double At)> _counters = [];

    /// <returns>The samples until the end.</returns>
    public async Task<IReadOnlyList<TimelineSample>> RecordAsync(CancellationToken end)
    {
        var samples = new List<TimelineSample>();
        using var timer = new PeriodicTimer(Interval);
        while (!end.IsCancellationRequested)
        {
            await timer.WaitForNextTickAsync(CancellationToken.None);
            var orders = await ReadAsync(system.Orders);
            var accounts = await ReadAsync(system.Accounts);
            samples.Add(new TimelineSample(now(),
                Rate(orders, "rpc_server_call_duration_seconds_count",
                    ("rpc_method", "orders.v1.OrderService/CreateOrder"), ("rpc_response_status_code", "OK")),
                Rate(orders, "order_duration_seconds_count"),
                Gauge(orders, "order_waiting", ("order_state", "Reserving"))
                    + Gauge(orders, "order_waiting", ("order_state", "Cancelling")),
                Gauge(orders, "order_waiting", ("order_state", "Confirmed")),
                Gauge(orders, "messaging_outbox_pending"), Gauge(accounts, "messaging_outbox_pending")));
        }

        return samples;
    }

    static async Task<IReadOnlyDictionary<ServiceReplica, Scrape>> ReadAsync(IEnumerable<ServiceReplica> replicas)
    {
        var scrapes = await Task.WhenAll(replicas.Select(async x => (Replica: x, Scrape: await TryReadAsync(x))));
        return scrapes.Where(x => x.Scrape != null).ToDictionary(x => x.Replica, x => x.Scrape!);
    }

    static async Task<Scrape?> TryReadAsync(ServiceReplica replica)
    {
        using var limit = new CancellationTokenSource(MaxAnswerTime);
        try
        {
            return await Scrape.ReadAsync(replica, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            return null; // a fault has stopped or paused the replica
        }
    }

    /// <summary>
    /// The rate of a counter over all replicas that have answered, each since its last answer; NaN if none has.
    /// </summary>
    double Rate(IReadOnlyDictionary<ServiceReplica, Scrape> scrapes, string counter, params (string, string)[] labels)
    {
        var rate = scrapes.Count == 0 ? double.NaN : 0;
        foreach (var (replica, scrape) in scrapes)
        {
            var (value, at) = (scrape.Sum(counter, labels), now());
            var last = _counters.GetValueOrDefault((replica, counter));
            var increase = value >= last.Value ? value - last.Value : value; // a restarted replica counts from zero
            rate += increase / (at - last.At);
            _counters[(replica, counter)] = (value, at);
        }

        return rate;
    }

    /// <summary>A gauge that has the same value from every replica that has read it lately.</summary>
    static double Gauge(IReadOnlyDictionary<ServiceReplica, Scrape> scrapes, string gauge,
        params (string, string)[] labels) => scrapes.Values.Where(x => x.All.Any(y => y.Name == gauge))
            .Select(x => x.Sum(gauge, labels)).DefaultIfEmpty(double.NaN).Max();
}
