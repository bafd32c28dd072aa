using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Messaging.Postgres.Observability;

/// <summary>
/// Gauges whose values are read together every few seconds, by one query at a time. A gauge shows nothing when it could
/// not be read lately: an old value would hide that.
/// </summary>
/// <param name="meterName">The meter of the gauges.</param>
/// <param name="log">Reports that the values cannot be read.</param>
public abstract partial class SampledGauges<T>(string meterName, ILogger log) : BackgroundService where T : class
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    static readonly TimeSpan MaxAge = 3 * Interval;

    readonly LogLimit _failures = new();
    readonly List<Instrument> _gauges = [];
    readonly Meter _meter = new(meterName);
    readonly TimeProvider _time = TimeProvider.System;
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
                {
                    _sample = new Sample(await ReadAsync(stoppingToken).ConfigureAwait(false), _time.GetTimestamp());
                    if (_failures.HasEnded(out var duration))
                        LogEnded(log, _gauges[0].Name, duration);
                }
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (_failures.IsDue(e, out var count))
                    LogNotRead(log, _gauges[0].Name, Reason.Of(e), count);
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
        "The metric {Metric}, and those beside it in docs/operations.md, cannot be read and show nothing until they "
        + "can: {Reason}. Failures since the last such line: {Count}")]
    static partial void LogNotRead(ILogger log, string metric, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The metric {Metric} and those beside it are read again, after {Duration}")]
    static partial void LogEnded(ILogger log, string metric, TimeSpan duration);

    sealed record Sample(T Values, long Read);
}
