using Messaging.Postgres.Observability;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Service.Defaults;

/// <summary>Refuses to start with a configuration that lets in whom it should not, or nobody.</summary>
sealed partial class CallerCheck(
    IOptions<CallerOptions> options, IssuerKeys keys, IHostEnvironment environment, ILogger<CallerCheck> log)
    : IStartCheck
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);

    readonly CallerOptions _options = options.Value;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (!_options.Enabled)
        {
            if (environment.IsProduction())
                throw new StartException("Authentication:Enabled is false, which the environment Production refuses: "
                    + "set Authentication:Authority");
            LogOff(environment.EnvironmentName);
            return;
        }

        CheckSettings();
        await CheckKeysAsync(cancellationToken);
    }

    void CheckSettings()
    {
        if (string.IsNullOrEmpty(_options.Authority) == string.IsNullOrEmpty(_options.KeySet))
            throw new StartException("Callers need tokens, so one of Authentication:Authority (the issuer's address) "
                + "and Authentication:KeySet (a file with its keys) must be set; to try the service without, set "
                + "Authentication:Enabled to false and ASPNETCORE_ENVIRONMENT to Development");
        if (_options is { KeySet: { Length: > 0 }, Issuer: null or "" })
            throw new StartException("Authentication:Issuer must be set with Authentication:KeySet");
        if (_options.Authority is { Length: > 0 } authority)
        {
            if (!Uri.TryCreate(authority, UriKind.Absolute, out var uri))
                throw new StartException($"Authentication:Authority is {authority}, but must be an address");
            if (environment.IsProduction() && uri.Scheme != Uri.UriSchemeHttps)
                throw new StartException($"Authentication:Authority is {authority}, but must begin with https in the "
                    + "environment Production");
        }
    }

    async Task CheckKeysAsync(CancellationToken cancellationToken)
    {
        OpenIdConnectConfiguration configuration;
        try
        {
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limited.CancelAfter(MaxWait);
            configuration = await keys.ReadAsync(limited.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            if (_options.KeySet is { Length: > 0 } file)
                throw new StartException($"The keys in {file} cannot be read: {Reason.Of(e)}");
            LogNoKeys(Reason.Of(e));
            return;
        }

        if (configuration.SigningKeys.Count == 0)
            throw new StartException("The issuer of Authentication has no keys to sign tokens with");
        if (environment.IsProduction() && configuration.SigningKeys.Any(BearerTokens.IsOfDevelopment))
            throw new StartException("The issuer of Authentication is the development issuer, which the environment "
                + "Production refuses");
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Authentication is off: everybody who reaches the service may "
        + "do everything. The environment is {Environment}")]
    partial void LogOff(string environment);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The issuer's keys cannot be read yet. Calls are rejected with "
        + "UNAVAILABLE until they can; check Authentication:Authority: {Reason}")]
    partial void LogNoKeys(string reason);
}
