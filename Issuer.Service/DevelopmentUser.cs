using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using Service.Defaults;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace Issuer;

/// <summary>A user or a client of the development issuer.</summary>
/// <param name="Name">The name, which is also the subject of the user's tokens.</param>
/// <param name="Scopes">The scopes that the user's tokens have.</param>
sealed record DevelopmentUser(string Name, IReadOnlyList<string> Scopes)
{
    /// <summary>Two clients and an operator.</summary>
    public static readonly IReadOnlyList<DevelopmentUser> All =
    [
        new("alice", Service.Defaults.Scopes.OfClients),
        new("bob", Service.Defaults.Scopes.OfClients),
        new("operator", [Service.Defaults.Scopes.ReadOrders, Service.Defaults.Scopes.ReadAccounts,
            Service.Defaults.Scopes.Administer]),
    ];

    /// <summary>The services that call others, with the password as their secret.</summary>
    public static readonly IReadOnlyList<DevelopmentUser> Clients =
        [new("operations-service", [Service.Defaults.Scopes.Administer, Service.Defaults.Scopes.Operate])];

    /// <summary>Returns the user or client with a name if the given password is right, otherwise null.</summary>
    public static DevelopmentUser? Find(IEnumerable<DevelopmentUser> known, string? name, string? given,
        string password) => known.SingleOrDefault(x => x.Name == name
            && CryptographicOperations.FixedTimeEquals(
                Encoding.UTF8.GetBytes(given ?? ""), Encoding.UTF8.GetBytes(password)));

    /// <summary>Who the tokens of the user are about, and what they allow.</summary>
    /// <param name="requested">The scopes that were asked for; empty for all that the user may have.</param>
    public ClaimsPrincipal Principal(IReadOnlyCollection<string> requested)
    {
        var identity = new ClaimsIdentity(
            TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, Name)
            .SetScopes(requested.Count == 0 ? Scopes
                : requested.Intersect(Scopes.Append(OpenIddictConstants.Scopes.OpenId)))
            .SetResources(new CallerOptions().Audience);
        return new ClaimsPrincipal(identity);
    }
}
