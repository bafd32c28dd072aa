using System.IO.Pipelines;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Service.Defaults;

/// <summary>
/// Adds details to DEADLINE_EXCEEDED, which gRPC for .NET sends by itself when the deadline of a call has passed, while
/// the method still runs. It completes the response then, at its first byte or after the messages of a stream.
/// </summary>
sealed class DeadlineDetails(HttpResponse response, IHttpResponseBodyFeature body) : IHttpResponseBodyFeature
{
    const string TimeoutHeader = "grpc-timeout";

    static readonly string DeadlineExceeded = $"{(int)StatusCode.DeadlineExceeded}";

    static readonly string Details = GrpcErrorFilter.Encode(RpcErrors.Other(StatusCode.DeadlineExceeded,
        "DEADLINE_PASSED", "Deadline Exceeded"));

    public Stream Stream => body.Stream;

    public PipeWriter Writer => body.Writer;

    /// <summary>Adds details to a call that has a deadline.</summary>
    public static void Add(HttpContext context)
    {
        if (context.Request.Headers.ContainsKey(TimeoutHeader)
            && context.Features.Get<IHttpResponseBodyFeature>() is { } body)
            context.Features.Set<IHttpResponseBodyFeature>(new DeadlineDetails(context.Response, body));
    }

    /// <summary>
    /// Adds the details to a response that is not complete yet. The deadline can pass while the response of a method is
    /// being written; then the server completes it.
    /// </summary>
    public static void AddTo(HttpResponse response)
    {
        var status = response.HasStarted
            ? response.HttpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers
            : response.Headers;
        if (status is { IsReadOnly: false } && status[GrpcErrorFilter.StatusHeader] == DeadlineExceeded)
            status.TryAdd(GrpcErrorFilter.DetailsHeader, Details);
    }

    public Task CompleteAsync()
    {
        AddTo(response);
        return body.CompleteAsync();
    }

    public void DisableBuffering() => body.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default) => body.StartAsync(cancellationToken);

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) =>
        body.SendFileAsync(path, offset, count, cancellationToken);
}
