using Grpc.Core;
using Messaging.Postgres.Observability;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace Service.Defaults;

/// <summary>Answers calls without a valid token, and calls whose token lacks a scope, as every other error.</summary>
sealed partial class AuthorizationErrors(IssuerKeys keys, TimeProvider time, ILogger<AuthorizationErrors> log)
    : IAuthorizationMiddlewareResultHandler
{
    readonly LogLimit _rejected = new(time, LogLimit.ForConcurrentTasks), _noKeys = new(time);

    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy,
        PolicyAuthorizationResult authorizeResult) =>
        authorizeResult.Succeeded ? next(context) : RejectAsync(context, authorizeResult.Challenged);

    async Task RejectAsync(HttpContext context, bool isChallenged)
    {
        var error = isChallenged
            ? await ChallengeAsync((await context.AuthenticateAsync()).Failure, context.RequestAborted)
            : RpcErrors.Other(StatusCode.PermissionDenied, "SCOPE_MISSING",
                $"the token lacks the scope {MissingScopes(context)}");
        if (_rejected.IsDue(error.Status, out var count))
            LogRejected(error.StatusCode, error.Status.Detail, count);
        await RpcErrorResponse.WriteAsync(context, error);
    }

    async Task<RpcException> ChallengeAsync(Exception? failure, CancellationToken cancellationToken)
    {
        if (failure == null)
            return RpcErrors.Other(StatusCode.Unauthenticated, "TOKEN_MISSING",
                "the call has no bearer token in its header authorization");
        if (failure is SecurityTokenExpiredException)
            return RpcErrors.Other(StatusCode.Unauthenticated, "TOKEN_EXPIRED", "the token has expired");
        try
        {
            await keys.ReadAsync(cancellationToken); // without keys, every token seems to be invalid
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            if (_noKeys.IsDue(e, out var count))
                LogNoKeys(Reason.Of(e), count);
            return RpcErrors.Unavailable("ISSUER_UNAVAILABLE", "the keys of the issuer cannot be read");
        }

        return RpcErrors.Other(StatusCode.Unauthenticated, "TOKEN_INVALID",
            $"the token is not valid: {WhatIsWrong(failure)}");
    }

    static string MissingScopes(HttpContext context) => string.Join(" and ",
        (context.GetEndpoint()?.Metadata.GetOrderedMetadata<IAuthorizeData>() ?? []).Select(x => x.Policy)
        .Where(x => x != null && context.User is CallerPrincipal caller && !caller.Has(x)));

    /// <summary>The messages of the library contain parts of the token and of the configuration.</summary>
    static string WhatIsWrong(Exception failure) => failure switch
    {
        SecurityTokenInvalidAudienceException => "it has another audience",
        SecurityTokenInvalidIssuerException => "it has another issuer",
        SecurityTokenNotYetValidException => "it is not valid yet",
        SecurityTokenNoExpirationException => "it does not expire",
        SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException
            or SecurityTokenInvalidSigningKeyException => "it is not signed by the issuer",
        SecurityTokenValidationException { InnerException: null } when failure.GetType()
            == typeof(SecurityTokenValidationException) => failure.Message,
        _ => "it cannot be read",
    };

    [LoggerMessage(Level = LogLevel.Information, Message =
        "A call was rejected with {Status}: {Reason}. Such calls since the last such line: {Count}")]
    partial void LogRejected(StatusCode status, string reason, int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "The keys of the issuer cannot be read, so calls with new tokens "
        + "are rejected with UNAVAILABLE. Check Authentication:Authority or Authentication:KeySet, and whether it can "
        + "be reached: {Reason}. Calls since the last such line: {Count}")]
    partial void LogNoKeys(string reason, int count);
}
