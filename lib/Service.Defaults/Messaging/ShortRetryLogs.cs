using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// Logs the retries of MassTransit in one line. They are expected, such as after a conflict, but MassTransit logs the
/// stack trace of each. An error that is not retried keeps its stack trace.
/// </summary>
sealed class ShortRetryLogs(LoggerFactory inner) : ILoggerFactory
{
    const string Categories = "MassTransit";

    public ILogger CreateLogger(string categoryName)
    {
        var logger = inner.CreateLogger(categoryName);
        return categoryName.StartsWith(Categories, StringComparison.Ordinal) ? new ShortLogger(logger) : logger;
    }

    public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

    public void Dispose() => inner.Dispose();

    sealed class ShortLogger(ILogger inner) : ILogger
    {
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Warning && exception?.GetBaseException().Message is { } reason)
                inner.Log(logLevel, eventId, state, null, (x, _) => $"{formatter(x, null)}: {reason}");
            else
                inner.Log(logLevel, eventId, state, exception, formatter);
        }

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);
    }
}
