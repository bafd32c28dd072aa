using Service.Defaults;

namespace Issuer;

/// <summary>A user or a client of the development issuer.</summary>
/// <param name="Name">The name, which is also the subject of the user's tokens.</param>
/// <param name="Scopes">The scopes that the user's tokens have.</param>
sealed record DevelopmentUser(string Name, IReadOnlyList<string> Scopes)
{
    static readonly string[] Client = [.. Service.Defaults.Scopes.All.Except([Service.Defaults.Scopes.Administer])];

    /// <summary>Two clients and an operator.</summary>
    public static readonly IReadOnlyList<DevelopmentUser> All =
    [
        new("alice", Client),
        new("bob", Client),
        new("operator", [Service.Defaults.Scopes.ReadOrders, Service.Defaults.Scopes.ReadAccounts,
            Service.Defaults.Scopes.Administer]),
    ];

    /// <summary>The services that call others, with the password as their secret.</summary>
    public static readonly IReadOnlyList<DevelopmentUser> Clients =
        [new("operations-service", [Service.Defaults.Scopes.Administer])];
}
