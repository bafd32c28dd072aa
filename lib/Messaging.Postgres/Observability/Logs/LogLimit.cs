using Npgsql;

namespace Messaging.Postgres.Observability;

/// <summary>
/// Limits the log lines about a condition that can last, such as a database that is away, at one place of the code: its
/// first occurrence is logged at once, then one line a minute with the number of occurrences, and its end once. Another
/// kind of error at the same place is another condition.
/// </summary>
/// <param name="time">Measures the minute; the system's clock by default.</param>
/// <param name="quiet">
/// How long there must be no occurrence before the end is logged: where several tasks fail and succeed at the same
/// time, one success is no end. Zero by default.
/// </param>
public sealed class LogLimit(TimeProvider? time = null, TimeSpan quiet = default)
{
    /// <summary>What concurrent tasks need as <c>quiet</c>.</summary>
    public static readonly TimeSpan ForConcurrentTasks = TimeSpan.FromSeconds(5);

    static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>Kinds beyond this number, which clients could invent, share one line.</summary>
    const int MaxKinds = 200;

    static readonly object Others = new();

    readonly Dictionary<object, Kind> _kinds = [];
    readonly Lock _lock = new();
    readonly TimeProvider _time = time ?? TimeProvider.System;
    long _began, _last; // timestamps
    volatile bool _isOpen; // an occurrence was logged, but not the end

    /// <summary>Counts an occurrence.</summary>
    /// <param name="error">The error, whose kind is its type or its SQLSTATE.</param>
    /// <param name="count">The number of occurrences since the last line about them.</param>
    /// <returns>Whether a line must be written now.</returns>
    public bool IsDue(Exception error, out int count) => IsDue(KindOf(error), out count);

    /// <param name="kind">Occurrences with equal kinds are one condition.</param>
    /// <param name="count">The number of occurrences since the last line about them.</param>
    /// <inheritdoc cref="IsDue(Exception, out int)" />
    public bool IsDue(object kind, out int count)
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            if (!_kinds.TryGetValue(kind, out var known) && _kinds.Count >= MaxKinds)
                _kinds.TryGetValue(kind = Others, out known);
            if (known == null)
                _kinds.Add(kind, known = new Kind());
            count = ++known.Count;
            _last = now;
            if (known.Logged is { } logged && _time.GetElapsedTime(logged, now) < Interval)
                return false;
            (known.Count, known.Logged) = (0, now);
            if (!_isOpen)
                (_isOpen, _began) = (true, now);
            return true;
        }
    }

    /// <summary>Call this when what can fail has succeeded; costs nothing while nothing fails.</summary>
    /// <param name="duration">The time since the first logged occurrence, in whole seconds.</param>
    /// <returns>Whether the end must be logged now.</returns>
    public bool HasEnded(out TimeSpan duration)
    {
        duration = default;
        if (!_isOpen)
            return false;
        lock (_lock)
        {
            if (!_isOpen || _time.GetElapsedTime(_last) < quiet)
                return false;
            _isOpen = false;
            duration = TimeSpan.FromSeconds(Math.Round(_time.GetElapsedTime(_began).TotalSeconds));
            return true;
        }
    }

    /// <summary>The kind of an error: its type, or its SQLSTATE.</summary>
    public static object KindOf(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return error.GetBaseException() is var cause && cause is PostgresException { SqlState: var state }
            ? state : cause.GetType();
    }

    sealed class Kind
    {
        public int Count; // since the last line
        public long? Logged; // timestamp
    }
}
