using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using MudBlazor.Services;
using Service.Defaults;

namespace Operations.Web;

/// <summary>Registers and maps the page for operators.</summary>
static class PageExtensions
{
    /// <summary>Adds the page, whose components run in this process.</summary>
    public static void AddOperationsPage(this WebApplicationBuilder builder)
    {
        builder.WebHost.UseStaticWebAssets(); // for a build that is not published
        builder.Services.AddRazorComponents().AddInteractiveServerComponents();
        builder.Services.AddMudServices();
        builder.Services.AddScoped<Session>();
        builder.AddSignIn();
        builder.Services.AddSingleton<AuthorizationErrors>()
            .AddSingleton<IAuthorizationMiddlewareResultHandler, PageAuthorization>();
    }

    /// <summary>Maps the page to <c>/</c>.</summary>
    public static void MapOperationsPage(this WebApplication app)
    {
        app.UseMiddleware<PageProtection>();
        app.UseAntiforgery();
        app.MapStaticAssets().AllowAnonymous();
        app.MapSignIn();
        // PageProtection sends the whole policy.
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(o => o.ContentSecurityFrameAncestorsPolicy = null)
            .RequireAuthorization(Scopes.Administer);
    }
}
