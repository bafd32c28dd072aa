using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Operations.Web;

/// <summary>Writes the page where operators sign in.</summary>
static class SignInHtml
{
    /// <summary>Writes the page.</summary>
    /// <param name="context">The request.</param>
    /// <param name="problem">Why nobody is signed in yet; null for no reason.</param>
    public static Task WriteAsync(HttpContext context, SignInProblem? problem)
    {
        var alert = problem == null ? "" : $"""<p class="error" role="alert">{TextOf(problem.Value)}</p>""";
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
                    {WaysToSignIn(context, problem != null)}
                </main>
            </body>
            </html>
            """);
    }

    static string TextOf(SignInProblem problem) => problem switch
    {
        SignInProblem.Scope => $"The token lacks the scope {Scopes.Administer}. Sign in as somebody who has it.",
        SignInProblem.Service => $"The token has the scope {Scopes.Operate}, which is for Operations.Service only.",
        SignInProblem.Size => "The token is too large for a cookie.",
        SignInProblem.Issuer => "The issuer has not signed you in. The log of this service has the reason.",
        _ => "The token is not valid.",
    };

    static string WaysToSignIn(HttpContext context, bool isRefused)
    {
        var services = context.RequestServices;
        var target = SignInPage.TargetOf(context);
        var form = $"""
            <form method="post" action="{Encode(SignInPage.PathTo(target))}">
                <label for="token">A token with the scope {Scopes.Administer}</label>
                <textarea id="token" name="{SignInPage.Token}" rows="8" required autocomplete="off"
                          spellcheck="false"></textarea>
                <button>Sign in</button>
            </form>
            """;
        if (services.GetRequiredService<IOptions<SignInOptions>>().Value.ClientId is not { Length: > 0 })
            return form;
        var issuer = new Uri(services.GetRequiredService<IOptions<CallerOptions>>().Value.Authority!).Authority;
        var link = SignInPage.WithTarget(SignInPage.IssuerPath, target)
            + (isRefused ? $"&{SignInPage.Again}=true" : "");
        return $"""
            <a class="button" href="{Encode(link)}">Sign in with {Encode(issuer)}</a>
            <details>
                <summary>Sign in with a token</summary>
                {form}
            </details>
            """;
    }

    static string Encode(string text) => WebUtility.HtmlEncode(text);
}
