namespace Saga.Servers;

/// <summary>Sends each request to the first node of a cluster that responds.</summary>
/// <param name="nodes">The addresses of the nodes, of which a request has any.</param>
sealed class AnyNodeHandler(IReadOnlyList<Uri> nodes) : DelegatingHandler(new SocketsHttpHandler())
{
    static readonly TimeSpan MaxResponseTime = TimeSpan.FromSeconds(4); // a paused node accepts connections

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        var path = request.RequestUri!.PathAndQuery;
        for (var i = 0; ; i++)
        {
            request.RequestUri = new Uri(nodes[i], path);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(MaxResponseTime);
            try
            {
                return await base.SendAsync(request, limit.Token);
            }
            catch (Exception e) when (i + 1 < nodes.Count && !cancellationToken.IsCancellationRequested
                && e is HttpRequestException or OperationCanceledException)
            {
                // The next node is tried.
            }
        }
    }
}
