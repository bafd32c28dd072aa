using System.Security.Claims;

namespace Service.Defaults;

/// <summary>The holder of a valid token.</summary>
sealed class CallerPrincipal : ClaimsPrincipal
{
    readonly HashSet<string> _scopes;

    /// <param name="identity">The claims of the token.</param>
    /// <param name="owner">Who owns what the caller creates.</param>
    /// <param name="subject">Who calls.</param>
    /// <param name="scopes">The scopes of the token.</param>
    /// <param name="expiry">When the token expires.</param>
    public CallerPrincipal(
        ClaimsIdentity identity, string owner, string subject, IEnumerable<string> scopes, DateTimeOffset expiry)
        : base(identity)
    {
        (_scopes, Expiry) = ([.. scopes], expiry);
        Caller = new Caller(owner, Has(Scopes.Administer)) { Subject = subject };
    }

    public Caller Caller { get; }

    /// <summary>When the token expires.</summary>
    public DateTimeOffset Expiry { get; }

    /// <summary>Whether the token has a scope.</summary>
    public bool Has(string scope) => _scopes.Contains(scope);
}
