using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Finds out who calls.</summary>
public sealed class Callers(IOptions<CallerOptions> options)
{
    readonly bool _authenticated = options.Value.Enabled;

    /// <summary>The caller of a gRPC or JSON method.</summary>
    public Caller Of(ServerCallContext context) => Of(context.GetHttpContext());

    /// <inheritdoc cref="Of(ServerCallContext)" />
    /// <exception cref="InvalidOperationException">The method has let somebody in without a token.</exception>
    public Caller Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return !_authenticated ? Caller.Anybody
            : (context.User as CallerPrincipal)?.Caller
                ?? throw new InvalidOperationException($"{context.Request.Path} requires no scope");
    }
}
