using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace Messaging.Postgres.Observability;

/// <summary>The labels of the exchange or queue of an address.</summary>
sealed class Destination
{
    /// <summary>The label, and the tag of a span, with the name of an exchange or queue.</summary>
    public const string NameLabel = "messaging.destination.name";

    /// <summary>Addresses beyond this number, such as those of temporary queues, share one label.</summary>
    const int MaxDestinations = 200;

    static readonly Destination Other = new("_other", "_other");
    static readonly ConcurrentDictionary<string, Destination> ByAddress = new(StringComparer.Ordinal);
    static readonly ConditionalWeakTable<Uri, Destination> ByUri = [];

    Destination(string system, string name) =>
        (System, Name) = (new("messaging.system", system), new(NameLabel, name));

    /// <summary>The kind of the broker, such as rabbitmq.</summary>
    public KeyValuePair<string, object?> System { get; }

    /// <summary>The name of the exchange or queue.</summary>
    public KeyValuePair<string, object?> Name { get; }

    /// <summary>The labels of an address such as <c>rabbitmq://host/vhost/queue</c>.</summary>
    public static Destination Of(string address) => ByAddress.TryGetValue(address, out var known) ? known
        : ByAddress.Count >= MaxDestinations ? Other
        : ByAddress.GetOrAdd(address, static x => Parse(new Uri(x)));

    /// <inheritdoc cref="Of(string)" />
    public static Destination Of(Uri address) =>
        ByUri.TryGetValue(address, out var known) ? known : ByUri.GetValue(address, static x => Of(x.ToString()));

    static Destination Parse(Uri address)
    {
        var path = Uri.UnescapeDataString(address.AbsolutePath);
        return new Destination(address.Scheme, path[(path.LastIndexOf('/') + 1)..]);
    }
}
