namespace Messaging.Postgres.Observability;

/// <summary>Fields of a log line beside those of its text, as a scope of a logger.</summary>
sealed class LogFields : List<KeyValuePair<string, object?>>
{
    /// <summary>The trace that the line belongs to.</summary>
    public const string TraceId = "TraceId";

    /// <summary>The queue, or the exchange before it, that the line concerns.</summary>
    public const string Queue = "Queue";

    /// <summary>Adds a field unless it has no value.</summary>
    public LogFields Add(string name, object? value)
    {
        if (value != null)
            Add(new KeyValuePair<string, object?>(name, value is string[] all ? string.Join(',', all) : value));
        return this;
    }

    /// <summary>The fields as text, for formats without fields.</summary>
    public override string ToString() => string.Join(", ", this.Select(x => $"{x.Key}: {x.Value}"));
}
