using Microsoft.AspNetCore.Http;

namespace Operations.Web;

/// <summary>
/// Keeps other web sites from using the page through an operator's browser: requests with another origin are
/// rejected, including those for the page's WebSocket, and no other site may show the page in a frame. The page loads
/// nothing from elsewhere. MudBlazor needs inline styles.
/// </summary>
sealed class PageProtection(RequestDelegate next)
{
    const string Policy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        + "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    public Task InvokeAsync(HttpContext context)
    {
        if (IsFromElsewhere(context.Request))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return Task.CompletedTask;
        }

        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        // Without any referrer, browsers send forms with the origin null.
        headers["Referrer-Policy"] = "same-origin";
        return next(context);
    }

    /// <summary>Browsers send the origin with each WebSocket, and with each request that changes something.</summary>
    static bool IsFromElsewhere(HttpRequest request) => request.Headers.Origin is [{ } text, ..]
        && !(Uri.TryCreate(text, UriKind.Absolute, out var origin) && origin.Authority == request.Host.Value);
}
