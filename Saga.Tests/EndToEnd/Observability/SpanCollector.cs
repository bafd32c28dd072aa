using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Saga.Servers;
using Saga.Tests.EndToEnd.Otlp;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>Receives the spans that services export by OTLP.</summary>
sealed class SpanCollector : IAsyncDisposable
{
    readonly ConcurrentQueue<TracedSpan> _spans = new();
    readonly WebApplication _server;

    public SpanCollector()
    {
        Address = $"http://127.0.0.1:{Ports.Pick()}";
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls(Address);
        _server = builder.Build();
        _server.MapPost("/v1/traces", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            foreach (var span in TracedSpan.Read(ExportRequest.Parser.ParseFrom(body.ToArray())))
                _spans.Enqueue(span);
        });
        ((IHost)_server).Start();
    }

    /// <summary>The address of the collector.</summary>
    public string Address { get; }

    /// <summary>The spans that were received so far.</summary>
    public IReadOnlyList<TracedSpan> Spans => [.. _spans];

    /// <summary>The spans of a trace that were received so far.</summary>
    public IReadOnlyList<TracedSpan> Of(string traceId) => [.. _spans.Where(x => x.TraceId == traceId)];

    /// <summary>The environment of a service that exports its spans to this collector.</summary>
    public IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Address,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
    };

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
