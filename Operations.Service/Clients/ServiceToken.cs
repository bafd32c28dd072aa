using Duende.IdentityModel.Client;
using Grpc.Core;
using Messaging.Postgres.Observability;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Service.Defaults;

namespace Operations;

/// <summary>
/// The token with which this service calls Order and Account: from a file, or from the issuer. One that is about to
/// expire is replaced.
/// </summary>
sealed class ServiceToken(
    HttpClient http, IssuerKeys issuer, IOptions<ServiceOptions> options, IOptions<CallerOptions> callers,
    TimeProvider time)
{
    static readonly TimeSpan FileInterval = TimeSpan.FromMinutes(1);

    readonly ServiceOptions _options = options.Value;
    readonly SemaphoreSlim _one = new(1);
    volatile Token? _token;

    /// <summary>Returns the token; null where authentication is off.</summary>
    /// <exception cref="RpcException">UNAVAILABLE: it cannot be read, or the issuer does not give one.</exception>
    public async ValueTask<string?> GetAsync(CancellationToken cancellationToken)
    {
        if (!callers.Value.Enabled)
            return null;
        if (_token is { } known && time.GetUtcNow() < known.Renewal)
            return known.Value;
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_token is not { } token || time.GetUtcNow() >= token.Renewal)
                _token = token = await RenewAsync(cancellationToken);
            return token.Value;
        }
        catch (Exception e) when (e is not RpcException && !cancellationToken.IsCancellationRequested)
        {
            throw NoToken(Reason.Of(e));
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<Token> RenewAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (_options.TokenFile is { Length: > 0 } file)
            return new((await File.ReadAllTextAsync(file, cancellationToken)).Trim(), now + FileInterval);
        using var request = new ClientCredentialsTokenRequest
        {
            Address = (await issuer.ReadAsync(cancellationToken)).TokenEndpoint,
            ClientId = _options.ClientId!,
            ClientSecret = _options.ClientSecretFile is { Length: > 0 } secret
                ? (await File.ReadAllTextAsync(secret, cancellationToken)).Trim() : _options.ClientSecret,
            Scope = _options.Scope,
        };
        foreach (var (name, value) in _options.Parameters)
            request.Parameters.Add(name, value);
        var response = await http.RequestClientCredentialsTokenAsync(request, cancellationToken);
        if (response.IsError || response.AccessToken is not { } token)
            throw NoToken(response.ErrorDescription ?? response.Error ?? "the answer has none");
        var lifetime = response.ExpiresIn > 0 ? TimeSpan.FromSeconds(response.ExpiresIn)
            : new JsonWebToken(token).ValidTo - now.UtcDateTime;
        return new(token, now + (0.8 * lifetime));
    }

    static RpcException NoToken(string reason) =>
        RpcErrors.Unavailable("NO_SERVICE_TOKEN", $"there is no token to call it with: {reason}");

    sealed record Token(string Value, DateTimeOffset Renewal);
}
