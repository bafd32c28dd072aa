using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Operations.Web;

/// <summary>
/// Signs operators in at the issuer, by the authorization code flow with PKCE (OpenID Connect); the access token that
/// it gives becomes the cookie of the page. The state of a sign-in is encrypted in cookies and in the parameter
/// <c>state</c>, by keys that the database keeps, so any replica can go on.
/// </summary>
sealed partial class IssuerSignIn(
    IOptions<SignInOptions> options, IOptionsMonitor<JwtBearerOptions> tokens, TimeProvider time,
    ILogger<IssuerSignIn> log) : IConfigureNamedOptions<OpenIdConnectOptions>
{
    /// <summary>The name of the authentication scheme.</summary>
    public const string Scheme = "Issuer";

    const string CallbackPath = "/sign-in/callback";

    static readonly TimeSpan MaxIssuerWait = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The errors of OAuth 2.0 (RFC 6749) and OpenID Connect. Anybody can call the page with another one, and what an
    /// issuer writes about an error may name a person.
    /// </summary>
    static readonly HashSet<string> KnownErrors =
    [
        "access_denied", "account_selection_required", "consent_required", "interaction_required", "invalid_client",
        "invalid_grant", "invalid_request", "invalid_scope", "login_required", "server_error",
        "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type",
    ];

    readonly SignInOptions _options = options.Value;
    readonly LogLimit _failed = new(time), _invalid = new(time);

    public void Configure(string? name, OpenIdConnectOptions options)
    {
        var bearer = tokens.Get(JwtBearerDefaults.AuthenticationScheme);
        options.ConfigurationManager = bearer.ConfigurationManager;
        options.TokenValidationParameters.ValidAlgorithms = bearer.TokenValidationParameters.ValidAlgorithms;
        options.TokenValidationParameters.IssuerSigningKeyValidator =
            bearer.TokenValidationParameters.IssuerSigningKeyValidator;
        options.BackchannelTimeout = MaxIssuerWait;
        options.ClientId = _options.ClientId;
        options.ResponseType = OpenIdConnectResponseType.Code;
        options.ResponseMode = OpenIdConnectResponseMode.Query; // a form of another site would be rejected
        options.PushedAuthorizationBehavior = PushedAuthorizationBehavior.Disable; // it would need the secret, too
        options.Scope.Clear();
        foreach (var scope in _options.Scope.Split(' ', StringSplitOptions.RemoveEmptyEntries).Prepend("openid"))
            options.Scope.Add(scope);
        options.CallbackPath = CallbackPath;
        options.RemoteSignOutPath = default;
        options.SignedOutCallbackPath = default;
        options.MapInboundClaims = false;
        options.DisableTelemetry = true;
        options.SaveTokens = true; // until AdmitAsync
        foreach (var cookie in (CookieBuilder[])[options.CorrelationCookie, options.NonceCookie])
            (cookie.SameSite, cookie.SecurePolicy) = (SameSiteMode.Lax, CookieSecurePolicy.SameAsRequest);
        options.Events = new OpenIdConnectEvents
        {
            OnRedirectToIdentityProvider = AddParameters,
            OnAuthorizationCodeReceived = AddSecretAsync,
            OnTicketReceived = AdmitAsync,
            OnRemoteFailure = Refuse,
        };
    }

    public void Configure(OpenIdConnectOptions options) => Configure(null, options);

    Task AddParameters(RedirectContext context)
    {
        foreach (var (name, value) in _options.Parameters)
            context.ProtocolMessage.SetParameter(name, value);
        return Task.CompletedTask;
    }

    async Task AddSecretAsync(AuthorizationCodeReceivedContext context) =>
        context.TokenEndpointRequest!.ClientSecret = _options.ClientSecretFile is { Length: > 0 } file
            ? (await File.ReadAllTextAsync(file, context.HttpContext.RequestAborted)).Trim() : _options.ClientSecret;

    async Task AdmitAsync(TicketReceivedContext context)
    {
        context.HandleResponse(); // there is no session but the cookie
        var token = context.Properties!.GetTokenValue(OpenIdConnectParameterNames.AccessToken) ?? "";
        var page = SignInPage.LocalPath(context.ReturnUri ?? "");
        var problem = await SignInPage.TrySignInAsync(context.HttpContext, token);
        if (problem == SignInProblem.Token && _invalid.IsDue(problem, out var count))
            LogInvalid(count);
        context.Response.Redirect(problem == null ? page : SignInPage.PathTo(page, problem));
    }

    Task Refuse(RemoteFailureContext context)
    {
        Log(context.Failure!);
        context.HandleResponse();
        var page = SignInPage.LocalPath(context.Properties?.RedirectUri ?? "");
        context.Response.Redirect(SignInPage.PathTo(page, SignInProblem.Issuer));
        return Task.CompletedTask;
    }

    /// <summary>Logs why the issuer has not signed in somebody.</summary>
    public void Log(Exception failure)
    {
        if (_failed.IsDue(failure, out var count))
            LogFailed(WhatIsWrong(failure), count);
    }

    static string WhatIsWrong(Exception failure) => failure switch
    {
        OpenIdConnectProtocolException { Data: var data } =>
            data["error"] is string error && KnownErrors.Contains(error) ? error : "an unknown error",
        HttpRequestException or IOException => Reason.Of(failure),
        { InnerException: HttpRequestException or IOException } => Reason.Of(failure.InnerException),
        _ => failure.GetType().Name,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "The issuer has not signed in an operator. Check SignIn and "
        + "what the issuer knows of the page: {Reason}. Since the last such line: {Count}")]
    partial void LogFailed(string reason, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The issuer has signed in an operator with a token that is not "
        + "valid here. Check SignIn:Scope and Authentication:Audience. Since the last such line: {Count}")]
    partial void LogInvalid(int count);
}
