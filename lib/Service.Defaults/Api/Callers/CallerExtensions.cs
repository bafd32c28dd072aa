using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Lets callers in by their tokens.</summary>
public static class CallerExtensions
{
    /// <summary>
    /// Adds authentication by bearer tokens, and a policy for each of <see cref="Scopes" />. Endpoints without a
    /// policy require a valid token.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="cookie">The cookie in which browsers may send their token; null if none.</param>
    public static void AddCallers(this WebApplicationBuilder builder, string? cookie = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var enabled = builder.HasCallers();
        builder.Services.Configure<CallerOptions>(builder.Configuration.GetSection(CallerOptions.Section));
        builder.Services.Configure<CallerOptions>(x => x.Cookie = cookie);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Callers>();
        builder.Services.AddSingleton<TokenCache>();
        builder.Services.AddSingleton<WarmUpToken>();
        builder.Services.AddSingleton<IssuerKeys>();
        builder.Services.AddSingleton<IStartCheck, CallerCheck>();
        builder.Services.AddSingleton<IAuthorizationMiddlewareResultHandler, AuthorizationErrors>();
        // AuthorizationErrors logs what callers should have done, at most one line a minute.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Authentication", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.AspNetCore.Authorization", LogLevel.None);

        var authorization = builder.Services.AddAuthorizationBuilder();
        foreach (var scope in Scopes.All)
            authorization.AddPolicy(scope, x => x.RequireAssertion(call =>
                !enabled || (call.User is CallerPrincipal caller && caller.Has(scope))));
        if (!enabled)
            return;
        authorization.SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer();
        builder.Services.AddSingleton<IConfigureOptions<JwtBearerOptions>, BearerTokens>();
        builder.Services.AddRateLimiter(_ => { });
        builder.Services.AddSingleton<IConfigureOptions<RateLimiterOptions>, CallerRate>();
    }

    /// <summary>Whether callers are authenticated: <see cref="CallerOptions.Enabled" />.</summary>
    internal static bool HasCallers(this WebApplicationBuilder builder) =>
        builder.Read(CallerOptions.Section, x => x.GetValue(nameof(CallerOptions.Enabled), true), fallback: true);

    /// <summary>Limits the calls of each caller.</summary>
    public static void UseCallers(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        if (app.Services.GetRequiredService<IOptions<CallerOptions>>().Value.Enabled)
            app.UseRateLimiter();
    }

    /// <summary>Lets in whom a setting says.</summary>
    internal static void Require(this IEndpointConventionBuilder endpoint, EndpointAccess access)
    {
        if (access == EndpointAccess.Anonymous)
            endpoint.AllowAnonymous();
    }
}
