using Service.Defaults;

namespace Operations.Web;

/// <summary>How operators sign in to the page at the issuer; section <c>SignIn</c> of the configuration.</summary>
sealed class SignInOptions
{
    /// <summary>The name of the section.</summary>
    public const string Section = "SignIn";

    /// <summary>
    /// The client for which the issuer signs operators in (OAuth 2.0, <c>authorization_code</c>). Without it, operators
    /// enter a token.
    /// </summary>
    public string? ClientId { get; set; }

    /// <summary>The client's secret; or <see cref="ClientSecretFile" />, or neither for a public client.</summary>
    public string? ClientSecret { get; set; }

    /// <summary>A file with the client's secret, which is read for each operator who signs in.</summary>
    public string? ClientSecretFile { get; set; }

    /// <summary>
    /// The scopes to ask for besides <c>openid</c>, separated by spaces; an issuer may need more than that, such as the
    /// name of an API.
    /// </summary>
    public string Scope { get; set; } = Scopes.Administer;

    /// <summary>Further parameters of the redirection that an issuer needs, such as <c>audience</c>.</summary>
    public Dictionary<string, string> Parameters { get; } = [];
}
