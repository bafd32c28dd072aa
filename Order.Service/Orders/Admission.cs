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
    volatile Reading _last = new(0, TimeSpan.Zero);
    int _inFlight;
    int _ended; // since the last look began

    /// <summary>Admits a call until what is returned is disposed.</summary>
    /// <exception cref="Grpc.Core.RpcException">RESOURCE_EXHAUSTED, with when to come again.</exception>
    public Admitted Admit()
    {
        // In this order, itself included: what moves from one to the next meanwhile is counted twice, but never not at all.
        var open = Interlocked.Increment(ref _inFlight) + Volatile.Read(ref _ended);
        var last = _last;
        if (last.Open + open <= options.Value.MaxOpenOrders && last.Unsent <= options.Value.MaxUnsentAge)
            return new Admitted(this);
        Interlocked.Decrement(ref _inFlight);
        throw RpcErrors.ResourceExhausted(last.Unsent > options.Value.MaxUnsentAge
            ? $"messages have waited for the broker for {last.Unsent:c}; try again later"
            : $"{options.Value.MaxOpenOrders} orders are under way, which is the most; try again later", options.Value.RetryDelay);
    }

    /// <summary>A call that was admitted.</summary>
    public readonly struct Admitted(Admission admission) : IDisposable
    {
        /// <summary>The call has ended, its order committed or not.</summary>
        public void Dispose()
        {
            Interlocked.Increment(ref admission._ended);
            Interlocked.Decrement(ref admission._inFlight);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        long? aged = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // What ended before is committed, and in the count; what ends while it is read may be counted twice until the next look.
                var before = Volatile.Read(ref _ended);
                var unsent = _last.Unsent;
                if (aged == null || time.GetElapsedTime(aged.Value) >= AgePause)
                    (unsent, aged) = (await FindUnsentAge(stoppingToken), time.GetTimestamp());
                var reading = new Reading(await CountOpen(stoppingToken), unsent);
                if (reading.IsFull(options.Value) && !_last.IsFull(options.Value))
                    LogFull(reading.Open, reading.Unsent);
                _last = reading;
                Interlocked.Add(ref _ended, -before);
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

    async Task<long> CountOpen(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"select count(*) from (select from orders where {OrderStateMap.IsOpen} limit $1) as o");
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

    sealed record Reading(long Open, TimeSpan Unsent)
    {
        public bool IsFull(AdmissionOptions limits) => Open >= limits.MaxOpenOrders || Unsent > limits.MaxUnsentAge;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Orders are refused: {Open} are under way, and the oldest unsent message has waited for {Unsent}")]
    partial void LogFull(long open, TimeSpan unsent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "How much is under way could not be read: {Reason}")]
    partial void LogNotRead(string reason);
}
