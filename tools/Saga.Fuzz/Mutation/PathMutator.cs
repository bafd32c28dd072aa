using System.Text;

namespace Saga.Fuzz;

/// <summary>Damages the target of an HTTP request: its path and its query.</summary>
static class PathMutator
{
    const int LongQuery = 9000; // more than a line of a request may have
    const int LongIsRare = 100;

    static readonly string[] Parts =
    [
        "%00", "%ff", "%C3%28", "%2F", "%2e%2e", "..", "//", "/", ":", ":cancel", ":watch", ":deposit", ":ship", ";x=1",
        "%25", "%3F", "%20", "+", "*", "{order_id}", "%", "%zz", "%u0041", "%ED%A0%80", "~", "@", "$",
    ];

    static readonly string[] Parameters =
    [
        "x=1", "page_size=-1", "page_size=abc", "page_size=1.5", "page_size=99999999999", "page_size=1&page_size=2",
        "page_size=", "pageSize=1&page_size=1", "page_token=%00", "page_token=AAAA", "page_token=%FF", "account_id=%ff",
        "account_id=", "account_id", "=", "=1", "&&", "status=FOO", "status=99", "status=PENDING", "status=1",
        "start_time=1", "start_time=2026-01-01T00:00:00Z", "start_time.seconds=1", "end_time=%22", "order_id=1",
        "items=1", "items[0].sku=x", "amount.units=1", "%00=1", "%=%", "a%5B%5D=1", "request_id=x", "$filter=x",
        "page_size=1e0",
    ];

    /// <summary>Returns a target that differs from the valid one.</summary>
    public static string Mutate(string valid, Random random)
    {
        string mutant;
        do
            mutant = MutateOnce(valid, random);
        while (mutant == valid || mutant.Contains('#', StringComparison.Ordinal));
        return mutant;
    }

    static string MutateOnce(string target, Random random)
    {
        if (random.Next(LongIsRare) == 0)
            return $"{target}?page_token={new string('x', LongQuery)}";
        var place = random.Next(1, target.Length + 1);
        return random.Next(7) switch
        {
            0 => target.Insert(place, Parts[random.Next(Parts.Length)]),
            1 => target[..place],
            2 => target.Remove(place - 1, 1) is ['/', ..] shorter ? shorter : target + "/",
            3 => target.ToUpperInvariant(),
            4 => $"{target[..(target.LastIndexOf('/') + 1)]}{Escape(OddValues.Text(random))}",
            _ => $"{target}{(target.Contains('?', StringComparison.Ordinal) ? '&' : '?')}"
                + Parameters[random.Next(Parameters.Length)],
        };
    }

    /// <summary>Percent-encodes a text; halves of surrogate pairs become U+FFFD.</summary>
    public static string Escape(string text) =>
        Uri.EscapeDataString(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));
}
