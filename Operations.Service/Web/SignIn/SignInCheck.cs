using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Operations.Web;

/// <summary>Refuses to start with a client that cannot sign in anybody.</summary>
sealed class SignInCheck(IOptions<SignInOptions> options, IOptions<CallerOptions> callers) : IStartCheck
{
    readonly SignInOptions _options = options.Value;

    public Task RunAsync(CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(_options.ClientId))
            return Task.CompletedTask;
        if (string.IsNullOrEmpty(callers.Value.Authority))
            throw new StartException("SignIn:ClientId needs Authentication:Authority, the issuer that signs in");
        if (!string.IsNullOrEmpty(_options.ClientSecret) && !string.IsNullOrEmpty(_options.ClientSecretFile))
            throw new StartException("Only one of SignIn:ClientSecret and SignIn:ClientSecretFile can be set");
        return Task.CompletedTask;
    }
}
