using System.Net;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Service.Defaults;

namespace Operations.Web;

/// <summary>
/// Where an operator enters a token, which the browser keeps in a cookie until it expires. Nothing about sessions is
/// stored, so every replica knows them.
/// </summary>
static class SignInPage
{
    /// <summary>The name of the cookie.</summary>
    public const string Cookie = "operator";

    const string Path = "/sign-in", SignOutPath = "/sign-out", Target = "to", Token = "token";

    /// <summary>Signing in leads back to a page.</summary>
    /// <param name="page">The path of the page and its query, relative to the root.</param>
    public static string PathTo(string page) =>
        $"{Path}?{Target}={UrlEncoder.Default.Encode($"/{page.TrimStart('/')}")}";

    /// <summary>Maps the page, and signing out.</summary>
    public static void MapSignIn(this IEndpointRouteBuilder app)
    {
        app.MapGet(Path, (HttpContext context) => ShowAsync(context, "")).AllowAnonymous();
        app.MapPost(Path, SignInAsync).AllowAnonymous();
        app.MapPost(SignOutPath, (HttpContext context) =>
        {
            context.Response.Cookies.Delete(Cookie);
            context.Response.Redirect(Path);
        }).AllowAnonymous();
    }

    static async Task SignInAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var token = form[Token].ToString().Trim();
        if (await FindHolderAsync(context, token) is not { } holder)
        {
            await ShowAsync(context, "The token is not valid.");
            return;
        }

        if (!holder.Has(Scopes.Administer))
        {
            await ShowAsync(context, $"The token lacks the scope {Scopes.Administer}.");
            return;
        }

        context.Response.Cookies.Append(Cookie, token, new CookieOptions
        {
            HttpOnly = true,
            Secure = context.Request.IsHttps,
            SameSite = SameSiteMode.Lax, // so that links to the page work
            Expires = holder.Expiry,
        });
        context.Response.Redirect(LocalPath(context.Request.Query[Target].ToString()));
    }

    /// <summary>Validates a token as that of a call: within one request, only its first token is validated.</summary>
    static async Task<CallerPrincipal?> FindHolderAsync(HttpContext context, string token)
    {
        await using var scope = context.RequestServices.CreateAsyncScope();
        var call = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        call.Request.Headers.Authorization = $"{JwtBearerDefaults.AuthenticationScheme} {token}";
        return (await call.AuthenticateAsync(JwtBearerDefaults.AuthenticationScheme)).Principal as CallerPrincipal;
    }

    /// <summary>The page to return to; the first one if this is not a path of this site.</summary>
    internal static string LocalPath(string target) =>
        target.StartsWith('/') && !target.StartsWith("//", StringComparison.Ordinal)
            && !target.Contains('\\', StringComparison.Ordinal) && !target.Any(char.IsControl) ? target : "/";

    static Task ShowAsync(HttpContext context, string error)
    {
        var action = WebUtility.HtmlEncode(PathTo(LocalPath(context.Request.Query[Target].ToString())));
        var alert = error == "" ? "" : $"""<p class="error" role="alert">{WebUtility.HtmlEncode(error)}</p>""";
        context.Response.StatusCode = error == "" ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized;
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <title>Order saga: sign in</title>
                <link rel="icon" href="data:,">
                <link rel="stylesheet" href="/_content/Operations/sign-in.css">
            </head>
            <body>
                <main>
                    <h1>Order saga: operations</h1>
                    {alert}
                    <form method="post" action="{action}">
                        <label for="token">A token with the scope {Scopes.Administer}</label>
                        <textarea id="token" name="{Token}" rows="8" required autofocus autocomplete="off"
                                  spellcheck="false"></textarea>
                        <button>Sign in</button>
                    </form>
                </main>
            </body>
            </html>
            """);
    }
}
