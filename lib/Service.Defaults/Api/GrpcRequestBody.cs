using System.IO.Pipelines;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Service.Defaults;

/// <summary>
/// Reads the bodies of gRPC calls that are rejected before gRPC reads them. Kestrel counts a response that ends before
/// its request as one more stream for a while, and closes a connection with too many; so a rejection has to wait for
/// the end of its request.
/// </summary>
public static class GrpcRequestBody
{
    /// <summary>A larger request is not waited for, in bytes.</summary>
    public const int MaxSize = 64 * 1024;

    /// <summary>Waits for the whole request and consumes none of it.</summary>
    /// <returns>
    /// What has been read, not completed if the request is larger than <see cref="MaxSize" />; null if the client has
    /// gone or is too slow, and the call has been aborted.
    /// </returns>
    public static async Task<ReadResult?> ReadToEndAsync(HttpContext context)
    {
        var body = context.Request.BodyReader;
        try
        {
            var read = await body.ReadAsync(context.RequestAborted);
            while (!read.IsCompleted && read.Buffer.Length <= MaxSize)
            {
                body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                read = await body.ReadAsync(context.RequestAborted);
            }

            return read;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            context.Abort(); // the request never ends
            return null;
        }
    }

    /// <summary>
    /// Waits for the end of the request, if it is one message. A stream of the client's may never end.
    /// </summary>
    /// <returns>Whether the client still waits for a response.</returns>
    internal static async Task<bool> DiscardAsync(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.Type
            is not (MethodType.Unary or MethodType.ServerStreaming))
            return true;
        if (await ReadToEndAsync(context) is not { } read)
            return false;
        context.Request.BodyReader.AdvanceTo(read.Buffer.End);
        return true;
    }
}
