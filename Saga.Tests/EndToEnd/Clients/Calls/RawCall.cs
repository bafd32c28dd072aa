using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>gRPC calls without a gRPC client, which would hide or replace what the server sends.</summary>
static class RawCall
{
    /// <summary>Makes a call.</summary>
    /// <param name="server">The gRPC address of a replica.</param>
    /// <param name="path">The path of the method.</param>
    /// <param name="body">The bytes of the request, frames included.</param>
    /// <param name="headers">Further headers.</param>
    /// <returns>The whole response, with its trailers.</returns>
    public static async Task<HttpResponseMessage> SendAsync(
        Uri server, string path, byte[] body, params (string Name, string Value)[] headers)
    {
        using var http = BearerCredentials.NewHttpClient(server);
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/grpc") } },
        };
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        return await http.SendAsync(request);
    }

    /// <summary>Puts a message in a frame.</summary>
    public static byte[] Frame(byte[] message, byte flag = 0)
    {
        var frame = new byte[5 + message.Length];
        frame[0] = flag;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame, 5);
        return frame;
    }

    /// <summary>Reads the status code and the details of an error from headers or trailers.</summary>
    public static (int Code, Google.Rpc.Status Details) ReadError(HttpResponseHeaders headers)
    {
        var details = Header("grpc-status-details-bin");
        return (int.Parse(Header("grpc-status")), Google.Rpc.Status.Parser.ParseFrom(
            Convert.FromBase64String(details.PadRight((details.Length + 3) / 4 * 4, '='))));

        string Header(string name) => string.Concat(headers.GetValues(name));
    }

    /// <summary>Reads the status code and the details of an error in JSON.</summary>
    public static (int Code, Google.Rpc.Status Details) ReadJsonError(string json)
    {
        var types = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);
        var error = new JsonParser(JsonParser.Settings.Default.WithTypeRegistry(types)).Parse<Google.Rpc.Status>(json);
        return (error.Code, error);
    }
}
