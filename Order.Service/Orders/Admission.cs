using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>Section <c>Admission</c> of the configuration: past these, CreateOrder answers RESOURCE_EXHAUSTED.</summary>
public sealed class AdmissionOptions
{
    /// <summary>
    /// How many orders may be open: accepted and not ended, over all replicas. Replicas know of each other's within half a second; until then
    /// each may admit up to it, and about an eighth of it may count as open though they have ended. Default: 1,200, about a second of
    /// work at the full rate: fewer would keep more of the rate in overload, for longer queues are dearer, and turn more bursts away.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxOpenOrders { get; set; } = 1200;

    /// <summary>How long the oldest message of the outbox may wait for the broker. Default: five minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxUnsentAge { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>When a client that is refused is told to come again. Default: one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Refuses orders while too much is under way: what is accepted ends soon, and what is refused has cost next to nothing.
/// Counts what this replica has admitted since it last looked at the database: twice a second, and sooner if that is much of what may be open,
/// for most of it has ended by then.
/// </summary>
sealed partial class Admission(NpgsqlDataSource database, IOptions<AdmissionOptions> options, TimeProvider time, ILogger<Admission> log) : BackgroundService
{
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan AgePause = TimeSpan.FromSeconds(5); // the oldest message is dearer to find, and minutes are what matters

    readonly int _much = Math.Max(1, options.Value.MaxOpenOrders / 8);
    readonly Lock _lock = new();
    readonly HashSet<Guid> _inFlight = []; // orders whose calls have not ended
    volatile Reading _last = new(0, TimeSpan.Zero);
    int _ended; // calls, since the last look began

    /// <summary>Admits the call that makes an order until what is returned is disposed.</summary>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED, with when to come again.</exception>
    public Admitted Admit(Guid orderId)
    {
        Reading last;
        lock (_lock)
        {
            last = _last;
            if (last.Open + _inFlight.Count + _ended < options.Value.MaxOpenOrders && last.Unsent <= options.Value.MaxUnsentAge)
            {
                _inFlight.Add(orderId);
                return new Admitted(this, orderId);
            }
        }

        throw RpcErrors.ResourceExhausted(last.Unsent > options.Value.MaxUnsentAge
            ? $"messages have waited for the broker for {last.Unsent:c}; try again later"
            : $"{options.Value.MaxOpenOrders} orders are under way, which is the most; try again later", options.Value.RetryDelay);
    }

    /// <summary>A call that was admitted.</summary>
    public readonly struct Admitted(Admission admission, Guid orderId) : IDisposable
    {
        /// <summary>The call has ended, its order committed or not.</summary>
        public void Dispose()
        {
            lock (admission._lock)
            {
                admission._inFlight.Remove(orderId);
                admission._ended++;
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        long? aged = null;
        var full = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var unsent = _last.Unsent;
                if (aged == null || time.GetElapsedTime(aged.Value) >= AgePause)
                    (unsent, aged) = (await FindUnsentAge(stoppingToken), time.GetTimestamp());

                // What ended before is committed, and in the count; what is in flight is left out of it, committed or not, and counted here.
                // Only what is admitted and committed while it is read counts twice, until the next look.
                Guid[] inFlight;
                int ended;
                lock (_lock)
                    (inFlight, ended) = ([.. _inFlight], _ended);
                var reading = new Reading(await CountOpen(inFlight, stoppingToken), unsent);
                var wasFull = full;
                full = reading.Open + inFlight.Length >= options.Value.MaxOpenOrders || unsent > options.Value.MaxUnsentAge;
                if (full && !wasFull)
                    LogFull(reading.Open + inFlight.Length, unsent);
                lock (_lock)
                {
                    _last = reading;
                    _ended -= ended;
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogNotRead(e.Message);
            }

            var looked = time.GetTimestamp();
            do
                await Task.Delay(ShortestPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (Volatile.Read(ref _ended) < _much && time.GetElapsedTime(looked) < LongestPause && !stoppingToken.IsCancellationRequested);
        }
    }

    async Task<long> CountOpen(Guid[] except, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            $"select count(*) from (select from orders where {OrderStateMap.IsOpen} and order_id <> all ($1) limit $2) as o");
        command.Parameters.Add(new() { Value = except });
        command.Parameters.Add(new() { Value = options.Value.MaxOpenOrders });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Of messages that wait for the broker: one that is refused for a reason of its own holds up nobody.</summary>
    async Task<TimeSpan> FindUnsentAge(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "select coalesce(now() - min(sent_time), '0') from outbox_message where token_id is null and parked is null and attempts = 0");
        return (TimeSpan)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <param name="Open">Open orders, without those whose calls were in flight when the look began.</param>
    /// <param name="Unsent">The age of the oldest unsent message.</param>
    sealed record Reading(long Open, TimeSpan Unsent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Orders are refused: {Open} are under way, and the oldest unsent message has waited for {Unsent}")]
    partial void LogFull(long open, TimeSpan unsent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "How much is under way could not be read: {Reason}")]
    partial void LogNotRead(string reason);
}
