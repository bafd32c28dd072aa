using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;

namespace Saga.Services;

/// <summary>Sends a token with every call.</summary>
public static class BearerCredentials
{
    /// <summary>The subject of the token that this process signs for itself.</summary>
    public const string Subject = "tools";

    const string Scheme = "Bearer";

    /// <summary>The environment variable with the token for services that were started elsewhere.</summary>
    public const string Variable = "ORDERSAGA_TOKEN";

    /// <summary>
    /// The token of <see cref="Variable" />; otherwise one of this process with all scopes, which only services that it
    /// starts accept.
    /// </summary>
    public static string Default { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given
        ? given : TokenIssuer.Instance.Sign(Subject, $"{TokenIssuer.ClientScopes} {TokenIssuer.OperationsScopes}");

    /// <summary>Opens a connection for calls with a token.</summary>
    /// <param name="address">The address of the service.</param>
    /// <param name="token">Returns the token for each call; null for <see cref="Default" />.</param>
    /// <param name="options">Further options of the connection.</param>
    public static GrpcChannel Connect(
        Uri address, Func<Task<string>>? token = null, GrpcChannelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        options ??= new GrpcChannelOptions();
        var isSecure = address.Scheme == Uri.UriSchemeHttps;
        options.Credentials = ChannelCredentials.Create(
            isSecure ? ChannelCredentials.SecureSsl : ChannelCredentials.Insecure,
            CallCredentials.FromInterceptor(async (_, metadata) =>
                metadata.Add("authorization", $"{Scheme} {(token == null ? Default : await token())}")));
        options.UnsafeUseInsecureChannelCallCredentials = !isSecure;
        return GrpcChannel.ForAddress(address, options);
    }

    /// <summary>Makes a client for JSON requests with a token; null for <see cref="Default" />.</summary>
    public static HttpClient NewHttpClient(Uri address, string? token = null) => new()
    {
        BaseAddress = address,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue(Scheme, token ?? Default) },
    };
}
