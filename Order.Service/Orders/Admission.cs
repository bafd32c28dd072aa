using System.ComponentModel.DataAnnotations;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>Section <c>Admission</c> of the configuration: past these, CreateOrder answers RESOURCE_EXHAUSTED.</summary>
public sealed class AdmissionOptions
{
    /// <summary>
    /// How many orders may be open: accepted and not ended, over all replicas. Replicas know of each other's within half a second; until then
    /// each may admit up to it, and about an eighth of it may count as open though they have ended. Default: 1,200, which takes a burst of a thousand.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxOpenOrders { get; set; } = 1200;

    /// <summary>
    /// How many may stay open while orders end all the time: a queue that stands does nothing but delay (RFC 8289), and longer ones are dearer.
    /// Counts once so many have been open for five seconds, with no fewer than half of it meanwhile, until nobody is sent away any more; not in an
    /// outage, when none end, and without orders older than half a minute, which are stuck for a reason of their own. Default: 400.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int MaxStandingOrders { get; set; } = 400;

    /// <summary>How long the oldest message of the outbox may wait for the broker. Default: five minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxUnsentAge { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>When a client that is refused is told to come again. Default: one second.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>
/// Refuses orders while too much is under way: what is accepted ends soon, and what is refused has cost next to nothing.
/// Counts what this replica has admitted since it last looked at the database: twice a second, and sooner while that is much, or calls are refused.
/// </summary>
sealed partial class Admission(NpgsqlDataSource database, IOptions<AdmissionOptions> options, TimeProvider time, ILogger<Admission> log) : BackgroundService
{
    static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);
    static readonly TimeSpan AgePause = TimeSpan.FromSeconds(5); // the oldest message is dearer to find, and minutes are what matters
    static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    static readonly TimeSpan LogPause = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly HashSet<Guid> _inFlight = []; // orders whose calls have not ended
    Reading _last = Reading.Of(0, options.Value.MaxOpenOrders, TimeSpan.Zero, options.Value);
    int _admitted, _made, _refused; // calls, since the last look began

    /// <summary>Admits the call that makes an order until what is returned is disposed.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED, with when to come again.</exception>
    public Admitted Admit(Guid orderId)
    {
        Refusal? refusal;
        lock (_lock)
        {
            refusal = FindRefusal();
            if (refusal == null)
            {
                _inFlight.Add(orderId);
                _admitted++;
                return new Admitted(this, orderId);
            }
        }

        throw refusal.ToException();
    }

    /// <summary>How a call is refused now, which is counted; null if it may be admitted.</summary>
    public Refusal? FindRefusal()
    {
        lock (_lock)
        {
            if (_last.Open + _inFlight.Count + _made < _last.Limit)
                return null;
            _refused++;
            return _last.Refusal;
        }
    }

    /// <summary>A call that was admitted, until it is disposed.</summary>
    public sealed class Admitted(Admission admission, Guid orderId) : IDisposable
    {
        bool _isMade;

        /// <summary>The order is committed.</summary>
        public void Made() => _isMade = true;

        /// <summary>The call has ended.</summary>
        public void Dispose()
        {
            lock (admission._lock)
            {
                admission._inFlight.Remove(orderId);
                if (_isMade)
                    admission._made++;
                else
                    admission._admitted--;
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var calm = TimeSpan.FromSeconds(Math.Max(1, 2 * options.Value.RetryDelay.TotalSeconds)); // who is refused comes again within it
        var queue = new StandingQueue(options.Value.MaxStandingOrders, calm, time);
        var (unsent, aged) = (TimeSpan.Zero, (long?)null);
        var (total, logged) = (0L, (long?)null);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (aged == null || time.GetElapsedTime(aged.Value) >= AgePause)
                    (unsent, aged) = (await FindUnsentAge(stoppingToken), time.GetTimestamp());

                // What was made before is committed, and in the count; what is in flight is left out of it, committed or not, and counted here.
                // Only what is admitted and committed while it is read counts twice, until the next look.
                Guid[] inFlight;
                int admitted, made, refused;
                lock (_lock)
                    (inFlight, admitted, made, refused) = ([.. _inFlight], _admitted, _made, _refused);
                var (open, stuck) = await CountOpen(inFlight, stoppingToken);
                var before = total;
                total = open + inFlight.Length;
                // Where other replicas admit orders too, it may seem that none have ended: while their number grows, which is no queue that stands.
                var stands = queue.Stands(total - stuck, haveEnded: total < before + admitted, wereRefused: refused > 0);
                var limit = stands ? (int)Math.Min(options.Value.MaxOpenOrders, options.Value.MaxStandingOrders + stuck) : options.Value.MaxOpenOrders;
                var reading = Reading.Of(open, limit, unsent, options.Value);
                lock (_lock)
                {
                    _last = reading;
                    (_admitted, _made, _refused) = (_admitted - admitted, _made - made, _refused - refused);
                }

                if (refused > 0 && (logged == null || time.GetElapsedTime(logged.Value) >= LogPause))
                {
                    logged = time.GetTimestamp();
                    LogRefused(total, limit, unsent);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogNotRead(e.Message);
                await Task.Delay(LongestPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            var looked = time.GetTimestamp();
            do
                await Task.Delay(ShortestPause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (!IsSoon() && time.GetElapsedTime(looked) < LongestPause && !stoppingToken.IsCancellationRequested);
        }
    }

    /// <summary>Calls are refused for what is open, or many orders were made: of both, much has ended by now.</summary>
    bool IsSoon()
    {
        lock (_lock)
            return (_refused > 0 && _last.Limit > 0) || _made >= Math.Max(1, _last.Limit / 8);
    }

    /// <returns>How many orders are open, and how many of these are too old to be in a queue.</returns>
    async Task<(long Open, long Stuck)> CountOpen(Guid[] except, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            select count(*), count(*) filter (where create_time < $3)
            from (select create_time from orders where {OrderStateMap.IsOpen} and order_id <> all ($1) limit $2) as o
            """);
        command.Parameters.Add(new() { Value = except });
        command.Parameters.Add(new() { Value = options.Value.MaxOpenOrders });
        command.Parameters.Add(new() { Value = time.GetUtcNow().UtcDateTime - LongestWait });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    /// <summary>Of messages that wait for the broker: one that is refused for a reason of its own holds up nobody.</summary>
    async Task<TimeSpan> FindUnsentAge(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "select coalesce(now() - min(sent_time), '0') from outbox_message where token_id is null and parked is null and attempts = 0");
        return (TimeSpan)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <param name="Open">Open orders, without those whose calls were in flight when the look began.</param>
    /// <param name="Limit">How many may be open; none while messages have waited too long.</param>
    /// <param name="Refusal">What calls past the limit are told.</param>
    sealed record Reading(long Open, int Limit, Refusal Refusal)
    {
        public static Reading Of(long open, int limit, TimeSpan unsent, AdmissionOptions options) => unsent > options.MaxUnsentAge
            ? new(open, 0, new($"messages have waited for the broker for {unsent:c}; try again later", options.RetryDelay))
            : new(open, limit, new($"{limit} orders are under way, which is the most; try again later", options.RetryDelay));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Orders are refused: {Open} of at most {Limit} are under way, and the oldest unsent message has waited for {Unsent}")]
    partial void LogRefused(long open, int limit, TimeSpan unsent);

    [LoggerMessage(Level = LogLevel.Warning, Message = "How much is under way could not be read: {Reason}")]
    partial void LogNotRead(string reason);
}

/// <summary>How calls are refused: as an exception, or as what gRPC makes of it.</summary>
sealed class Refusal(string message, TimeSpan retryDelay)
{
    /// <summary>The value of the header grpc-message, which has no need of an escape.</summary>
    public string Message => message;

    /// <summary>The value of the header grpc-status.</summary>
    public static string Status { get; } = $"{(int)StatusCode.ResourceExhausted}";

    /// <summary>The value of the header grpc-status-details-bin.</summary>
    public string Details { get; } =
        Convert.ToBase64String(RpcErrors.ResourceExhausted(message, retryDelay).GetRpcStatus()!.ToByteArray()).TrimEnd('=');

    public RpcException ToException() => RpcErrors.ResourceExhausted(message, retryDelay);
}
