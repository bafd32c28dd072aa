using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Service.Defaults;

namespace Operations.Web;

/// <summary>
/// Where an operator signs in at the issuer, or enters a token. The browser keeps the token in a cookie until it
/// expires. Nothing about sessions is stored, so every replica knows them.
/// </summary>
static class SignInPage
{
    /// <summary>The name of the cookie.</summary>
    public const string Cookie = "operator";

    /// <summary>The path of the page; below it, the browser is sent to the issuer and returns from there.</summary>
    public const string Path = "/sign-in", IssuerPath = $"{Path}/issuer";

    /// <summary>The parameters of its address, of which one is also a cookie, and the field of its form.</summary>
    public const string Target = "to", Problem = "problem", Again = "again", Token = "token";

    const string SignOutPath = "/sign-out";
    const int MaxTokenLength = 4000; // browsers keep cookies of 4096 bytes, with their names and attributes

    /// <summary>Signing in leads back to a page.</summary>
    /// <param name="page">The path of the page and its query, relative to the root.</param>
    /// <param name="problem">What it says; null for nothing.</param>
    public static string PathTo(string page, SignInProblem? problem = null) => WithTarget(Path, page)
        + (problem == null ? "" : $"&{Problem}={problem}");

    /// <summary>Adds the page to which signing in leads to an address.</summary>
    public static string WithTarget(string path, string page) =>
        $"{path}?{Target}={UrlEncoder.Default.Encode($"/{page.TrimStart('/')}")}";

    /// <summary>Adds signing in at the issuer, if there is a client for it.</summary>
    public static void AddSignIn(this WebApplicationBuilder builder)
    {
        var section = builder.Configuration.GetSection(SignInOptions.Section);
        if (!builder.HasCallers() || section[nameof(SignInOptions.ClientId)] is not { Length: > 0 })
            return;
        builder.Services.Configure<SignInOptions>(section);
        builder.Services.AddSingleton<IStartCheck, SignInCheck>();
        builder.Services.AddAuthentication().AddOpenIdConnect(IssuerSignIn.Scheme, _ => { });
        builder.Services.AddSingleton<IssuerSignIn>().AddSingleton<IConfigureOptions<OpenIdConnectOptions>>(
            x => x.GetRequiredService<IssuerSignIn>());
    }

    /// <summary>Maps the page, and signing out.</summary>
    public static void MapSignIn(this IEndpointRouteBuilder app)
    {
        app.MapGet(Path, (HttpContext context) => SignInHtml.WriteAsync(context, ProblemOf(context)))
            .AllowAnonymous();
        app.MapPost(Path, SignInAsync).AllowAnonymous()
            .WithMetadata(new RequestSizeLimitAttribute(ApiExtensions.MaxRequestSize));
        if (app.ServiceProvider.GetRequiredService<IOptions<SignInOptions>>().Value.ClientId is { Length: > 0 })
            app.MapGet(IssuerPath, SendToIssuerAsync).AllowAnonymous();
        app.MapPost(SignOutPath, (HttpContext context) =>
        {
            context.Response.Cookies.Delete(Cookie);
            // Until somebody signs in again: the issuer would sign in the same operator without a question.
            context.Response.Cookies.Append(Again, "true", new CookieOptions
            {
                HttpOnly = true,
                Secure = context.Request.IsHttps,
                SameSite = SameSiteMode.Lax,
                Path = Path,
            });
            context.Response.Redirect(Path);
        }).AllowAnonymous();
    }

    static SignInProblem? ProblemOf(HttpContext context) =>
        Enum.TryParse<SignInProblem>(context.Request.Query[Problem], out var problem) && Enum.IsDefined(problem)
            ? problem : null;

    static async Task SignInAsync(HttpContext context)
    {
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var token = form[Token].ToString().Trim();
        if (await TrySignInAsync(context, token) is { } problem)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            await SignInHtml.WriteAsync(context, problem);
            return;
        }

        context.Response.Redirect(TargetOf(context));
    }

    static async Task SendToIssuerAsync(HttpContext context)
    {
        try
        {
            await context.RequestServices.GetRequiredService<IssuerKeys>().ReadAsync(context.RequestAborted);
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            context.RequestServices.GetRequiredService<IssuerSignIn>().Log(e);
            context.Response.Redirect(PathTo(TargetOf(context), SignInProblem.Issuer));
            return;
        }

        await context.ChallengeAsync(IssuerSignIn.Scheme, new OpenIdConnectChallengeProperties
        {
            RedirectUri = TargetOf(context),
            // Whoever has signed out, or was refused, may want to be somebody else.
            Prompt = context.Request.Query.ContainsKey(Again) || context.Request.Cookies.ContainsKey(Again)
                ? OpenIdConnectPrompt.Login : null,
        });
    }

    /// <summary>Gives the browser a token for its cookie, or returns what is wrong with the token.</summary>
    public static async Task<SignInProblem?> TrySignInAsync(HttpContext context, string token)
    {
        if (await FindHolderAsync(context, token) is not { } holder)
            return SignInProblem.Token;
        if (!holder.Has(Scopes.Administer))
            return SignInProblem.Scope;
        if (holder.Has(Scopes.Operate))
            return SignInProblem.Service;
        if (token.Length > MaxTokenLength)
            return SignInProblem.Size;
        context.Response.Cookies.Append(Cookie, token, new CookieOptions
        {
            HttpOnly = true,
            Secure = context.Request.IsHttps,
            SameSite = SameSiteMode.Lax, // so that links to the page work
            Expires = holder.Expiry,
        });
        if (context.Request.Cookies.ContainsKey(Again))
            context.Response.Cookies.Delete(Again, new CookieOptions { Path = Path });
        return null;
    }

    /// <summary>Validates a token as that of a call: within one request, only its first token is validated.</summary>
    static async Task<CallerPrincipal?> FindHolderAsync(HttpContext context, string token)
    {
        await using var scope = context.RequestServices.CreateAsyncScope();
        var call = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        call.Request.Headers.Authorization = $"{JwtBearerDefaults.AuthenticationScheme} {token}";
        return (await call.AuthenticateAsync(JwtBearerDefaults.AuthenticationScheme)).Principal as CallerPrincipal;
    }

    /// <summary>The page to which signing in leads.</summary>
    public static string TargetOf(HttpContext context) => LocalPath(context.Request.Query[Target].ToString());

    /// <summary>The page to return to; the first one if this is not a path of this site.</summary>
    public static string LocalPath(string target) =>
        target.StartsWith('/') && !target.StartsWith("//", StringComparison.Ordinal)
            && !target.Contains('\\', StringComparison.Ordinal) && target.All(x => x is > ' ' and <= '~')
            ? target : "/";
}
