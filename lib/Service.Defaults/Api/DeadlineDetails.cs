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

    static readonly string[] StatusHeaders = [GrpcErrorFilter.StatusHeader, GrpcErrorFilter.MessageHeader];

    static readonly string DeadlineExceeded = $"{(int)StatusCode.DeadlineExceeded}";

    static readonly string Details = GrpcErrorFilter.Encode(RpcErrors.Other(StatusCode.DeadlineExceeded,
        "DEADLINE_PASSED", "Deadline Exceeded"));

    public Stream Stream => body.Stream;

    public PipeWriter Writer => body.Writer;

    /// <summary>Adds details to a call that has a deadline.</summary>
    public static void Add(HttpContext context)
    {
        var response = context.Response;
        if (!context.Request.Headers.ContainsKey(TimeoutHeader)
            || context.Features.Get<IHttpResponseBodyFeature>() is not { } body)
            return;
        context.Features.Set<IHttpResponseBodyFeature>(new DeadlineDetails(response, body));
        response.OnStarting(() =>
        {
            AddTo(response);
            return Task.CompletedTask;
        });
    }

    /// <summary>
    /// Adds the details to a response that is not complete yet. The deadline can pass while the response of a method is
    /// being written; then the server completes it. It can also pass just before a method writes its first message:
    /// then the status is among the headers, and clients expect it after the message.
    /// </summary>
    public static void AddTo(HttpResponse response)
    {
        var headers = response.Headers;
        if (!response.HasStarted)
        {
            AddTo(headers);
            return;
        }

        if (response.HttpContext.Features.Get<IHttpResponseTrailersFeature>()?.Trailers is not { } trailers)
            return;
        if (IsDeadline(headers) && !trailers.IsReadOnly)
            foreach (var name in StatusHeaders)
                trailers.TryAdd(name, headers[name]);
        AddTo(trailers);
    }

    static void AddTo(IHeaderDictionary status)
    {
        if (IsDeadline(status) && !status.IsReadOnly)
            status.TryAdd(GrpcErrorFilter.DetailsHeader, Details);
    }

    static bool IsDeadline(IHeaderDictionary status) => status[GrpcErrorFilter.StatusHeader] == DeadlineExceeded;

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
