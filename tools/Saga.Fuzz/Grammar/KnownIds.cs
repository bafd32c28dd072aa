using System.Collections.Concurrent;
using Google.Protobuf;

namespace Saga.Fuzz;

/// <summary>
/// What exists while the system is fuzzed. What a call takes from it depends on its random numbers alone, except for
/// the ids of orders, which the service makes.
/// </summary>
sealed class KnownIds
{
    const int MaxRecent = 64;

    readonly Dictionary<string, List<string>> _accounts = [], _orders = [];
    readonly Dictionary<(string Caller, string Method), IMessage> _pages = [];
    readonly ConcurrentDictionary<(string Caller, long Place), string> _recent = new();
    readonly string[] _requests;
    long _created;

    /// <param name="random">Makes the request ids that calls share.</param>
    public KnownIds(Random random) => _requests = [.. Enumerable.Range(0, 50).Select(_ => NewId(random))];

    /// <summary>An id that nothing has: a UUID of version 4.</summary>
    public static string NewId(Random random)
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }

    public void AddAccount(string caller, string id) => Of(_accounts, caller).Add(id);

    public void AddOrder(string caller, string id) => Of(_orders, caller).Add(id);

    /// <summary>Remembers a request for the second page of a list.</summary>
    public void AddPage(string caller, string method, IMessage request) => _pages[(caller, method)] = request;

    /// <summary>Remembers an order that a call has created; only the last ones are known.</summary>
    public void Created(string caller, string orderId) =>
        _recent[(caller, Interlocked.Increment(ref _created) % MaxRecent)] = orderId;

    /// <summary>Mostly an account of the caller, otherwise one of another or of nobody.</summary>
    public string Account(string caller, Random random) => Pick(_accounts, caller, random);

    /// <summary>Mostly an order of the caller, old or just created, otherwise one of another or of nobody.</summary>
    public string Order(string caller, Random random)
    {
        var (known, place) = (Pick(_orders, caller, random), random.Next(2 * MaxRecent));
        return _recent.TryGetValue((caller, place), out var recent) ? recent : known;
    }

    /// <summary>A new request id, or one that other calls have, too.</summary>
    public string Request(Random random)
    {
        var (shared, own) = (_requests[random.Next(_requests.Length)], NewId(random));
        return random.Next(4) == 0 ? shared : own;
    }

    /// <summary>A request for the second page of a list; null if the method has no pages.</summary>
    public IMessage? Page(string caller, string method) => _pages.GetValueOrDefault((caller, method));

    static List<string> Of(Dictionary<string, List<string>> ids, string caller) =>
        ids.TryGetValue(caller, out var known) ? known : ids[caller] = [];

    static string Pick(Dictionary<string, List<string>> ids, string caller, Random random)
    {
        var (choice, index, none) = (random.Next(10), random.Next(), NewId(random));
        var owner = choice < 8 && ids.ContainsKey(caller) ? caller
            : ids.Count > 0 ? ids.Keys.ElementAt(index % ids.Count) : "";
        return choice == 9 || !ids.TryGetValue(owner, out var known) || known.Count == 0
            ? none : known[index % known.Count];
    }
}
