using Microsoft.Extensions.Logging;

namespace Saga.Tests.Support;

/// <summary>Stores log lines for assertions.</summary>
public sealed class CapturedLog : ILoggerProvider, ILogger
{
    readonly List<(LogLevel Level, string Text)> _lines = [];

    public bool Contains(LogLevel level, string text)
    {
        lock (_lines)
            return _lines.Exists(x => x.Level == level && x.Text.Contains(text, StringComparison.Ordinal));
    }

    /// <summary>Returns the newest lines, the oldest of them first.</summary>
    public IReadOnlyList<string> Last(int lines)
    {
        lock (_lines)
            return [.. _lines.TakeLast(lines).Select(x => $"{x.Level} {x.Text}")];
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
            _lines.Add((logLevel, $"{formatter(state, exception)} {exception}".TrimEnd()));
    }

    public void Dispose()
    {
    }
}
