using System.Collections.Concurrent;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// The lines of libraries: at most one a minute for one condition, without the stack trace of a warning, which is
/// expected. What this system logs itself, with the order, is not logged a second time.
/// </summary>
sealed class LibraryLogs(LoggerFactory inner) : ILoggerFactory
{
    const string HealthChecks = "Microsoft.Extensions.Diagnostics.HealthChecks";

    /// <summary>The namespaces of this system, whose classes limit their lines themselves.</summary>
    static readonly string[] Own = ["Order", "Account", "Operations", "Messaging.", "Service."];

    /// <summary>
    /// The beginnings of MassTransit's lines about messages that <c>MessageFailures</c>, <c>FaultAlarm</c> and
    /// <c>MessageDispatcher</c> report, and of the host's about an error that <see cref="RunExtensions" /> reports.
    /// </summary>
    static readonly string[] Repeated = ["R-RETRY ", "R-FAULT ", "S-FAULT ", "MOVE ", "Consumer Channel Shutdown",
        "Hosting failed to start"];

    readonly ConcurrentDictionary<string, ILogger> _loggers = new();

    public ILogger CreateLogger(string categoryName) => _loggers.GetOrAdd(categoryName, x =>
        Array.Exists(Own, y => x.StartsWith(y, StringComparison.Ordinal)) ? inner.CreateLogger(x)
            : new Limited(inner.CreateLogger(x), x.StartsWith(HealthChecks, StringComparison.Ordinal)));

    public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

    public void Dispose() => inner.Dispose();

    sealed class Limited(ILogger inner, bool isHealthCheck) : ILogger
    {
        const string Template = "{OriginalFormat}";
        const string Endpoint = "InputAddress";
        const string TransportFault = "T-FAULT ";

        readonly LogLimit _limit = new();

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            var fields = state as IReadOnlyList<KeyValuePair<string, object?>> ?? [];
            if (IsRepeated(fields))
                logLevel = LogLevel.Debug;
            if (logLevel <= LogLevel.Debug || logLevel == LogLevel.Information && exception == null)
            {
                inner.Log(logLevel, eventId, state, exception, formatter);
                return;
            }

            var kind = (Find(fields, Template), Find(fields, Endpoint), Find(fields, "HealthCheckName"),
                exception == null ? null : LogLimit.KindOf(exception));
            if (!inner.IsEnabled(logLevel) || !_limit.IsDue(kind, out var count))
                return;
            // A service that is not ready yet has not failed.
            var level = isHealthCheck && exception == null ? LogLevel.Information : logLevel;
            var trace = level < LogLevel.Error ? null : exception;
            var prefix = Find(fields, Template) is string template
                && template.StartsWith(TransportFault, StringComparison.Ordinal)
                ? "A message could not be acknowledged or moved, and the broker delivers it again: " : "";
            var suffix = (exception != null && trace == null ? $": {Reason.Of(exception)}" : "")
                + (count > 1 ? $" ({count} times since the last such line)" : "");
            using (inner.BeginScope(new LogFields().Add(LogFields.Queue, QueueOf(Find(fields, Endpoint)))))
                inner.Log(level, eventId, state, trace, (x, _) => prefix + formatter(x, null) + suffix);
        }

        static bool IsRepeated(IReadOnlyList<KeyValuePair<string, object?>> fields) =>
            Find(fields, Template) is string template
            && Array.Exists(Repeated, x => template.StartsWith(x, StringComparison.Ordinal));

        static object? Find(IReadOnlyList<KeyValuePair<string, object?>> fields, string name)
        {
            for (var i = 0; i < fields.Count; i++)
                if (fields[i].Key == name)
                    return fields[i].Value;
            return null;
        }

        static string? QueueOf(object? address) => (address as Uri)?.AbsolutePath.Split('/')[^1];
    }
}
