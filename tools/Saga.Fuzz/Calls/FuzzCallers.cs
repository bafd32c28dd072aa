using Saga.Services;

namespace Saga.Fuzz;

/// <summary>The callers, and their tokens.</summary>
sealed class FuzzCallers
{
    /// <summary>The callers who own accounts and orders.</summary>
    public static readonly IReadOnlyList<string> Owners = ["alice", "bob"];

    const int LongToken = 6000;

    static readonly string[] Picked =
        [.. Enumerable.Repeat("alice", 8), .. Enumerable.Repeat("bob", 8), "operator", "operator", "reader"];

    readonly Dictionary<string, string> _tokens = new()
    {
        ["alice"] = TokenIssuer.Instance.Sign("alice"),
        ["bob"] = TokenIssuer.Instance.Sign("bob"),
        ["operator"] = TokenIssuer.Instance.Sign("operator", TokenIssuer.OperatorScopes),
        ["reader"] = TokenIssuer.Instance.Sign("reader", "orders.read accounts.read"),
    };

    readonly string[] _invalid =
    [
        TokenIssuer.Instance.Sign("alice", lifetime: TimeSpan.FromMinutes(-10)),
        TokenIssuer.Instance.Sign("alice", audience: "another"),
        TokenIssuer.Instance.Sign("alice", issuer: "https://another.example"),
        TokenIssuer.Instance.Sign("", TokenIssuer.OperatorScopes),
        TokenIssuer.Instance.Sign(new string('x', 300), TokenIssuer.OperatorScopes),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.", "a.b.c", "..", "null", "x",
    ];

    /// <summary>Chooses a caller.</summary>
    public static string Pick(Random random) => Picked[random.Next(Picked.Length)];

    /// <summary>The token of a caller.</summary>
    public string TokenOf(string caller) => _tokens[caller];

    /// <summary>The header authorization of a caller.</summary>
    public string HeaderOf(string caller) => $"Bearer {_tokens[caller]}";

    /// <summary>A header authorization that must not let anybody in; null for none.</summary>
    public string? Damaged(string caller, Random random)
    {
        var token = _tokens[caller];
        var place = random.Next(token.Length);
        return random.Next(9) switch
        {
            0 => null,
            1 => "",
            2 => "Bearer",
            3 => $"Basic {token}",
            4 => $"Bearer {token[..place]}",
            // Not the last character: some of its bits mean nothing.
            5 => $"Bearer {token[..(place / 2)]}{(token[place / 2] == 'A' ? 'B' : 'A')}{token[(place / 2 + 1)..]}",
            6 => $"Bearer {new string('x', LongToken)}.{token}",
            7 => $"Bearer {token}, Bearer {token}",
            _ => $"Bearer {_invalid[random.Next(_invalid.Length)]}",
        };
    }
}
