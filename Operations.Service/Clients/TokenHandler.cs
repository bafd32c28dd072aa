using System.Net.Http.Headers;

namespace Operations;

/// <summary>Sends the token of this service with its calls.</summary>
sealed class TokenHandler(ServiceToken token) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        if (await token.GetAsync(cancellationToken) is { } value)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", value);
        return await base.SendAsync(request, cancellationToken);
    }
}
