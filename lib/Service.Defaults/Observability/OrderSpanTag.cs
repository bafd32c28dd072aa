using System.Collections.Concurrent;
using System.Diagnostics;
using Messaging.Postgres.Observability;
using OpenTelemetry;

namespace Service.Defaults;

/// <summary>The tag <c>order.id</c>, which every span that concerns an order has.</summary>
public static class OrderSpanTag
{
    const string Name = "order.id";
    const string Field = "OrderId";

    static readonly ConcurrentDictionary<Type, Func<object, object?>> Readers = new();

    /// <summary>The tag of messages: those that concern orders have a property OrderId or OrderIds.</summary>
    internal static MessageTag OfMessages { get; } =
        new(Name, Field, "order", x => Readers.GetOrAdd(x.GetType(), NewReader)(x));

    /// <summary>Tags the current span, if it is recorded.</summary>
    public static void Set(Guid orderId)
    {
        if (Activity.Current is { Recorded: true } span)
            span.SetTag(Name, orderId.ToString());
    }

    static Func<object, object?> NewReader(Type type)
    {
        if (type.GetProperty(Field) is { } id)
            return x => id.GetValue(x)?.ToString();
        if (type.GetProperty($"{Field}s") is not { } ids)
            return _ => null;
        return x => (ids.GetValue(x) as IEnumerable<Guid>)?.Select(y => y.ToString()).ToArray() is { } all
            ? all is [var single] ? single : all : null;
    }

    /// <summary>Gives a span that others have started, such as that of a query, the tag of its parent.</summary>
    internal sealed class Processor : BaseProcessor<Activity>
    {
        /// <inheritdoc />
        public override void OnEnd(Activity data)
        {
            if (data.GetTagItem(Name) != null)
                return;
            for (var parent = data.Parent; parent != null; parent = parent.Parent)
                if (parent.GetTagItem(Name) is { } id)
                {
                    data.SetTag(Name, id);
                    return;
                }
        }
    }
}
