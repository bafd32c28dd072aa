using System.Security.Cryptography;
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
                .AllowAuthorizationCodeFlow()
                .RequireProofKeyForCodeExchange()
                .AcceptAnonymousClients()
                .SetTokenEndpointUris("connect/token")
                .SetAuthorizationEndpointUris(new Uri(options.BrowserAddress ?? name, "connect/authorize"))
                .SetAccessTokenLifetime(TokenLifetime)
                .RegisterScopes([.. Service.Defaults.Scopes.All])
                .AddSigningKey(key)
                .AddEphemeralEncryptionKey()
                .DisableAccessTokenEncryption()
                .AddEventHandler<ValidateTokenRequestContext>(x => x.UseInlineHandler(x => Validate(x, password)))
                .AddEventHandler<HandleTokenRequestContext>(x => x.UseInlineHandler(x => Handle(x, password)))
                .AddEventHandler<ValidateAuthorizationRequestContext>(x => x.UseInlineHandler(SignInForm.Validate))
                .AddEventHandler<HandleAuthorizationRequestContext>(x =>
                    x.UseInlineHandler(x => SignInForm.HandleAsync(x, password)));
            server.UseAspNetCore().DisableTransportSecurityRequirement();
        });
    }

    static ValueTask Validate(ValidateTokenRequestContext context, string password)
    {
        var request = context.Request;
        if (request.IsAuthorizationCodeGrantType())
        {
            if (DevelopmentUser.Find(DevelopmentUser.Clients, request.ClientId, request.ClientSecret, password) == null)
                context.Reject(Errors.InvalidClient, "the client or its secret is wrong");
        }
        else if (!request.IsPasswordGrantType() && !request.IsClientCredentialsGrantType())
            context.Reject(Errors.UnsupportedGrantType,
                "use grant_type=password, client_credentials or authorization_code");

        return default;
    }

    static ValueTask Handle(HandleTokenRequestContext context, string password)
    {
        var request = context.Request;
        if (request.IsAuthorizationCodeGrantType())
        {
            context.SignIn(context.Principal!); // whom the form has signed in
            return default;
        }

        var user = request.IsPasswordGrantType()
            ? DevelopmentUser.Find(DevelopmentUser.All, request.Username, request.Password, password)
            : DevelopmentUser.Find(DevelopmentUser.Clients, request.ClientId, request.ClientSecret, password);
        if (user == null)
            context.Reject(Errors.InvalidGrant, "the user or client, or the password is wrong");
        else
            context.SignIn(user.Principal(request.GetScopes()));
        return default;
    }
}
