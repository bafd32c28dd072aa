using System.Diagnostics;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// The scopes of all loggers. Each line has the trace, the order and the queue of the current span: they are looked up
/// when a line is written, so a request or a message without one costs nothing.
/// </summary>
sealed class LineFields : IExternalScopeProvider
{
    const string Path = "RequestPath";

    readonly LoggerExternalScopeProvider _scopes = new();

    public void ForEachScope<TState>(Action<object?, TState> callback, TState state)
    {
        if (Activity.Current is { } span)
            callback(Of(span), state);
        _scopes.ForEachScope(callback, state);
    }

    /// <summary>Adds a scope, but not ASP.NET Core's: the path of a JSON request has the id of an account.</summary>
    public IDisposable Push(object? state) => IsRequest(state) ? NoScope.Instance : _scopes.Push(state);

    static bool IsRequest(object? state)
    {
        if (state is not IReadOnlyList<KeyValuePair<string, object?>> fields)
            return false;
        for (var i = 0; i < fields.Count; i++)
            if (fields[i].Key == Path)
                return true;
        return false;
    }

    static LogFields Of(Activity span)
    {
        var fields = new LogFields().Add(LogFields.TraceId, span.TraceId.ToString());
        object? order = null, queue = null;
        for (var parent = span; parent != null; parent = parent.Parent)
        {
            order ??= parent.GetTagItem(OrderSpanTag.OfMessages.Name);
            queue ??= parent.GetTagItem(Destination.NameLabel);
        }

        return fields.Add(OrderSpanTag.OfMessages.Field, order).Add(LogFields.Queue, queue);
    }

    sealed class NoScope : IDisposable
    {
        public static readonly NoScope Instance = new();

        public void Dispose()
        {
        }
    }
}
