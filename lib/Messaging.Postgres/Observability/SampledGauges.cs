using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>
/// Gauges whose values are read together every few seconds, by one query at a time. A gauge shows nothing when it could
/// not be read lately: an old value would hide that.
/// </summary>
/// <param name="meterName">The meter of the gauges.</param>
/// <param name="log">Reports that the values cannot be read, at most once a minute.</param>
public abstract partial class SampledGauges<T>(string meterName, ILogger log) : BackgroundService where T : class
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    static readonly TimeSpan MaxAge = 3 * Interval;
    static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    readonly List<Instrument> _gauges = [];
    readonly Meter _meter = new(meterName);
    readonly TimeProvider _time = TimeProvider.System;
    long? _logged; // timestamp
    volatile Sample? _sample;

    /// <summary>Reads the values; must be cheap, however many rows there are.</summary>
    protected abstract Task<T> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Adds a gauge with one value.</summary>
    protected void AddGauge(string name, string unit, string description, Func<T, double> value) =>
        AddGauge(name, unit, description, x => [new Measurement<double>(value(x))]);

    /// <summary>Adds a gauge with a value for each of its labels.</summary>
    protected void AddGauge(string name, string unit, string description,
        Func<T, IEnumerable<Measurement<double>>> values) =>
        _gauges.Add(_meter.CreateObservableGauge(name,
            () => _sample is { } sample && _time.GetElapsedTime(sample.Read) < MaxAge ? values(sample.Values) : [],
            unit, description));

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (_gauges.Exists(x => x.Enabled)) // somebody listens
                    _sample = new Sample(await ReadAsync(stoppingToken).ConfigureAwait(false), _time.GetTimestamp());
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (_logged is not { } last || _time.GetElapsedTime(last) >= LogInterval)
                {
                    LogNotRead(log, GetType().Name, e.GetBaseException().Message);
                    _logged = _time.GetTimestamp();
                }
            }

            await Task.Delay(Interval, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The metrics of {Source} cannot be read and show nothing until they can: {Reason}")]
    static partial void LogNotRead(ILogger log, string source, string reason);

    sealed record Sample(T Values, long Read);
}
