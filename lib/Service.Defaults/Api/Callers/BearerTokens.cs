using System.Diagnostics.CodeAnalysis;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Service.Defaults;

/// <summary>Decides which bearer tokens (RFC 6750) are valid, and who holds them.</summary>
sealed class BearerTokens(
    IOptions<CallerOptions> options, TokenCache cache, WarmUpToken warmUp, IHostEnvironment environment,
    TimeProvider time) : IConfigureNamedOptions<JwtBearerOptions>
{
    /// <summary>
    /// How the id of a key of the development issuer begins, whose passwords everybody can read. Production refuses it.
    /// </summary>
    public const string DevelopmentKeyPrefix = "development-";

    const string Prefix = $"{JwtBearerDefaults.AuthenticationScheme} ";

    static readonly TimeSpan MaxClockSkew = TimeSpan.FromSeconds(30);

    // How often the keys may be read because a token names an unknown one, which anybody can do.
    static readonly TimeSpan MinKeyInterval = TimeSpan.FromSeconds(10);

    static readonly TimeSpan MaxKeyWait = TimeSpan.FromSeconds(5);

    readonly CallerOptions _options = options.Value;

    public void Configure(string? name, JwtBearerOptions options)
    {
        options.MapInboundClaims = false;
        options.Audience = _options.Audience;
        options.RequireHttpsMetadata = environment.IsProduction();
        options.RefreshInterval = MinKeyInterval;
        options.BackchannelTimeout = MaxKeyWait;
        if (string.IsNullOrEmpty(_options.KeySet))
            options.Authority = _options.Authority;
        else
            options.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
                _options.KeySet, new KeySetReader(_options.Issuer!), new FileDocumentRetriever())
            {
                RefreshInterval = MinKeyInterval,
            };
        var valid = options.TokenValidationParameters;
        valid.ClockSkew = MaxClockSkew;
        // Without shared secrets: a public key must not be taken for one.
        valid.ValidAlgorithms =
        [
            SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
            SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
            SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
        ];
        if (environment.IsProduction())
            valid.IssuerSigningKeyValidator = (key, _, _) => !IsOfDevelopment(key);
        options.Events = new JwtBearerEvents { OnMessageReceived = FindKnown, OnTokenValidated = FindHolder };
    }

    public void Configure(JwtBearerOptions options) => Configure(null, options);

    /// <summary>Whether a key belongs to the development issuer.</summary>
    public static bool IsOfDevelopment(SecurityKey key) =>
        key.KeyId?.StartsWith(DevelopmentKeyPrefix, StringComparison.Ordinal) == true;

    Task FindKnown(MessageReceivedContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        if (header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            context.Token = header[Prefix.Length..].Trim();
        else if (header == "" && _options.Cookie is { } cookie)
            context.Token = context.Request.Cookies[cookie];
        if (context.Token is not { Length: > 0 } token)
            return Task.CompletedTask;
        if ((cache.Find(token) ?? warmUp.Find(token)) is { } known)
        {
            context.Principal = known;
            context.Success();
        }

        return Task.CompletedTask;
    }

    Task FindHolder(TokenValidatedContext context)
    {
        var identity = (ClaimsIdentity)context.Principal!.Identity!;
        var owner = identity.FindFirst(_options.OwnerClaim)?.Value;
        var subject = identity.FindFirst(JwtRegisteredClaimNames.Sub)?.Value;
        if (!IsName(owner) || !IsName(subject))
        {
            context.Fail(new SecurityTokenValidationException($"its claims {_options.OwnerClaim} and "
                + $"{JwtRegisteredClaimNames.Sub} must have 1 to {Caller.MaxOwnerLength} characters"));
            return Task.CompletedTask;
        }

        // Microsoft Entra calls the claim scp; others have an array instead of a list with spaces.
        var scopes = identity.FindAll(x => x.Type is "scope" or "scp").SelectMany(x => x.Value.Split(' '));
        var holder = new CallerPrincipal(identity, owner, subject, scopes, context.SecurityToken.ValidTo);
        context.Principal = holder;
        cache.Add(((JsonWebToken)context.SecurityToken).EncodedToken, holder, holder.Expiry - time.GetUtcNow());
        return Task.CompletedTask;
    }

    static bool IsName([NotNullWhen(true)] string? claim) =>
        !string.IsNullOrWhiteSpace(claim) && claim.Length <= Caller.MaxOwnerLength && !claim.Any(char.IsControl);
}
