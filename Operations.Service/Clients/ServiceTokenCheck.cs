using Microsoft.Extensions.Options;
using Service.Defaults;

namespace Operations;

/// <summary>Refuses to start without a way to get a token for the calls of Order and Account.</summary>
sealed class ServiceTokenCheck(IOptions<ServiceOptions> options, IOptions<CallerOptions> callers) : IStartCheck
{
    readonly ServiceOptions _options = options.Value;

    public Task RunAsync(CancellationToken cancellationToken)
    {
        if (!callers.Value.Enabled)
            return Task.CompletedTask;
        if (string.IsNullOrEmpty(_options.TokenFile) == string.IsNullOrEmpty(_options.ClientId))
            throw new StartException("Order and Account want a token, so one of Services:TokenFile (a file that has "
                + "one) and Services:ClientId (a client for which the issuer gives one) must be set");
        if (string.IsNullOrEmpty(_options.ClientId))
            return Task.CompletedTask;
        if (string.IsNullOrEmpty(callers.Value.Authority))
            throw new StartException("Services:ClientId needs Authentication:Authority, the issuer that gives tokens");
        if (string.IsNullOrEmpty(_options.ClientSecret) == string.IsNullOrEmpty(_options.ClientSecretFile))
            throw new StartException("One of Services:ClientSecret and Services:ClientSecretFile must be set with "
                + "Services:ClientId");
        return Task.CompletedTask;
    }
}
