namespace Service.Defaults;

/// <summary>Who may call a service; section <c>Authentication</c> of its configuration.</summary>
public sealed class CallerOptions
{
    /// <summary>The name of the section.</summary>
    public const string Section = "Authentication";

    /// <summary>
    /// Whether callers need a token. Without, everybody who reaches the service may do everything: each start says so,
    /// and the environment Production refuses it.
    /// </summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The issuer of the tokens, an address with an OpenID Connect discovery document.</summary>
    public string? Authority { get; set; }

    /// <summary>
    /// A file with the issuer's public keys (a JSON Web Key Set, RFC 7517), instead of <see cref="Authority" />. It is
    /// read again while a token names a key that it does not have.
    /// </summary>
    public string? KeySet { get; set; }

    /// <summary>The issuer that tokens must name (claim <c>iss</c>); required with <see cref="KeySet" />.</summary>
    public string? Issuer { get; set; }

    /// <summary>The audience that tokens must name (claim <c>aud</c>).</summary>
    public string Audience { get; set; } = "ordersaga";

    /// <summary>
    /// The claim that owns accounts and orders: <c>sub</c> for each user, or for example <c>tenant</c>.
    /// </summary>
    public string OwnerClaim { get; set; } = "sub";

    /// <summary>
    /// The calls that each caller may make on a replica in a second, on average; twice as many at once. 0: no limit.
    /// </summary>
    public double MaxCallsPerSecond { get; set; } = 1000;

    /// <summary>The cookie in which browsers send their token; null if there is none.</summary>
    internal string? Cookie { get; set; }

    /// <summary>Who may ask for the descriptions of the methods (gRPC reflection).</summary>
    public EndpointAccess Reflection { get; set; } = EndpointAccess.Authenticated;

    /// <summary>Who may ask whether the service is healthy.</summary>
    public EndpointAccess Health { get; set; } = EndpointAccess.Anonymous;
}
