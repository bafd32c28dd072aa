using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.AspNetCore.Http;
using Service.Defaults;

namespace Operations.Web;

/// <summary>Sends browsers that may not open a page to where operators sign in; other calls fail as ever.</summary>
sealed class PageAuthorization(AuthorizationErrors errors) : IAuthorizationMiddlewareResultHandler
{
    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy,
        PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded || context.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() == null)
            return errors.HandleAsync(next, context, policy, authorizeResult);
        context.Response.Redirect(SignInPage.PathTo($"{context.Request.Path}{context.Request.QueryString}"));
        return Task.CompletedTask;
    }
}
