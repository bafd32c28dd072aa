using System.Net;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Http;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Issuer;

/// <summary>
/// Where a browser that comes from the operators' page signs in a user (the authorization endpoint of OAuth 2.0). There
/// is no session: it asks each time.
/// </summary>
static class SignInForm
{
    const string CallbackPath = "/sign-in/callback"; // of the operators' page

    const string Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        + "frame-ancestors 'none'";

    /// <summary>Refuses to send a browser anywhere but to an operators' page on this machine.</summary>
    public static ValueTask Validate(ValidateAuthorizationRequestContext context)
    {
        if (!DevelopmentUser.Clients.Any(x => x.Name == context.ClientId))
            context.Reject(Errors.InvalidClient, "the client is unknown");
        else if (!Uri.TryCreate(context.RedirectUri, UriKind.Absolute, out var callback) || !callback.IsLoopback
            || callback.AbsolutePath != CallbackPath)
            context.Reject(Errors.InvalidRequest, $"redirect_uri must be {CallbackPath} on this machine");
        return default;
    }

    /// <summary>Shows the form, or signs in the user who has filled it in.</summary>
    public static async ValueTask HandleAsync(HandleAuthorizationRequestContext context, string password)
    {
        var http = context.Transaction.GetHttpRequest()!;
        var isFilled = HttpMethods.IsPost(http.Method) && context.Request.Username != null;
        if (isFilled && DevelopmentUser.Find(DevelopmentUser.All, context.Request.Username, context.Request.Password,
            password) is { } user)
        {
            context.SignIn(user.Principal(context.Request.GetScopes()));
            return;
        }

        var response = http.HttpContext.Response;
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        response.Headers.ContentSecurityPolicy = Policy;
        await response.WriteAsync(Html(context.Request,
            isFilled ? """<p role="alert">The user or the password is wrong.</p>""" : ""));
        context.HandleRequest();
    }

    static string Html(OpenIddictRequest request, string alert)
    {
        var parameters = request.GetParameters()
            .Where(x => x.Key is not (Parameters.Username or Parameters.Password))
            .Select(x => $"""<input type="hidden" name="{Encode(x.Key)}" value="{Encode((string?)x.Value)}">""");
        return $$"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
                <meta charset="utf-8">
                <meta name="viewport" content="width=device-width, initial-scale=1">
                <title>Development issuer: sign in</title>
                <link rel="icon" href="data:,">
                <style>
                    body { font: 1rem/1.5 sans-serif; color: #424242; }
                    form { max-width: 20rem; margin: 4rem auto; padding: 1rem; }
                    h1 { font-size: 1.25rem; font-weight: 500; }
                    input, button { display: block; box-sizing: border-box; width: 100%; margin: 0 0 1rem;
                        padding: 0.5rem; font: inherit; }
                    [role=alert] { padding: 0.5rem 1rem; background: #fde7e9; }
                </style>
            </head>
            <body>
                <form method="post">
                    <h1>Development issuer</h1>
                    {{alert}}
                    {{string.Join('\n', parameters)}}
                    <label for="user">User</label>
                    <input id="user" name="{{Parameters.Username}}" value="operator" required>
                    <label for="password">Password</label>
                    <input id="password" name="{{Parameters.Password}}" type="password" required autofocus>
                    <button>Sign in</button>
                </form>
            </body>
            </html>
            """;
    }

    static string Encode(string? text) => WebUtility.HtmlEncode(text ?? "");
}
