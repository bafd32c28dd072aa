using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using Service.Defaults;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Issuer;

/// <summary>
/// An OAuth 2.0 authorization server with a discovery document, for trying the system out: all users have one
/// password. Its keys live as long as the process. Services in the environment Production refuse them.
/// </summary>
static class DevelopmentIssuer
{
    static readonly TimeSpan TokenLifetime = TimeSpan.FromHours(12);

    /// <summary>Adds the issuer.</summary>
    /// <exception cref="InvalidOperationException">
    /// The environment is Production, or a setting is missing.
    /// </exception>
    public static void AddDevelopmentIssuer(this WebApplicationBuilder builder)
    {
        if (builder.Environment.IsProduction())
            throw new InvalidOperationException("The development issuer does not run in the environment Production: "
                + "set Authentication:Authority of the services to your own issuer");
        var options = builder.Configuration.GetSection("Issuer").Get<IssuerOptions>();
        if (options is not { Name: { } name, Password: { Length: > 0 } password })
            throw new InvalidOperationException("Issuer:Name and Issuer:Password must be set");

        var key = new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP256))
        {
            KeyId = $"{BearerTokens.DevelopmentKeyPrefix}{Guid.NewGuid():n}",
        };
        builder.AddTls();
        builder.Services.AddHealthChecks();
        builder.Services.AddOpenIddict().AddServer(server =>
        {
            server.EnableDegradedMode() // without a store of clients and tokens
                .SetIssuer(name)
                .AllowPasswordFlow()
                .AllowClientCredentialsFlow()
                .AcceptAnonymousClients()
                .SetTokenEndpointUris("connect/token")
                .SetAccessTokenLifetime(TokenLifetime)
                .RegisterScopes([.. Service.Defaults.Scopes.All])
                .AddSigningKey(key)
                .AddEphemeralEncryptionKey()
                .DisableAccessTokenEncryption()
                .AddEventHandler<ValidateTokenRequestContext>(x => x.UseInlineHandler(Validate))
                .AddEventHandler<HandleTokenRequestContext>(x => x.UseInlineHandler(x => Handle(x, password)));
            server.UseAspNetCore().DisableTransportSecurityRequirement();
        });
    }

    static ValueTask Validate(ValidateTokenRequestContext context)
    {
        if (!context.Request.IsPasswordGrantType() && !context.Request.IsClientCredentialsGrantType())
            context.Reject(Errors.UnsupportedGrantType, "use grant_type=password or client_credentials");
        return default;
    }

    static ValueTask Handle(HandleTokenRequestContext context, string password)
    {
        var (users, name, given) = context.Request.IsPasswordGrantType()
            ? (DevelopmentUser.All, context.Request.Username, context.Request.Password)
            : (DevelopmentUser.Clients, context.Request.ClientId, context.Request.ClientSecret);
        var user = users.SingleOrDefault(x => x.Name == name);
        if (user == null || !CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(given ?? ""), Encoding.UTF8.GetBytes(password)))
        {
            context.Reject(Errors.InvalidGrant, "the user or client, or the password is wrong");
            return default;
        }

        var requested = context.Request.GetScopes();
        var identity = new ClaimsIdentity(
            TokenValidationParameters.DefaultAuthenticationType, Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, user.Name)
            .SetScopes(requested.Length == 0 ? user.Scopes : requested.Intersect(user.Scopes))
            .SetResources(new CallerOptions().Audience);
        context.SignIn(new ClaimsPrincipal(identity));
        return default;
    }
}
