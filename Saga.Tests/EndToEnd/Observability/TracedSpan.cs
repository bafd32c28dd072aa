using Saga.Tests.EndToEnd.Otlp;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>A span that a service has exported.</summary>
sealed record TracedSpan(string Service, string TraceId, string SpanId, string ParentId, string Name,
    IReadOnlyDictionary<string, string> Tags, IReadOnlyList<string> LinkedTraces)
{
    /// <summary>Reads the spans of an export.</summary>
    public static IEnumerable<TracedSpan> Read(ExportRequest export) =>
        from resource in export.ResourceSpans
        let service = ReadTags(resource.Resource.Attributes)["service.name"]
        from scope in resource.ScopeSpans
        from span in scope.Spans
        select new TracedSpan(service, Hex(span.TraceId), Hex(span.SpanId), Hex(span.ParentSpanId), span.Name,
            ReadTags(span.Attributes), [.. span.Links.Select(x => Hex(x.TraceId))]);

    /// <summary>Service and name, such as <c>account-service: process reserve-funds ReserveFunds</c>.</summary>
    public override string ToString() => $"{Service}: {Name}";

    static Dictionary<string, string> ReadTags(IEnumerable<Otlp.Attribute> attributes) =>
        attributes.ToDictionary(x => x.Key, x => x.Value.ArrayValue is { } array
            ? string.Join(',', array.Values_.Select(y => y.StringValue)) : x.Value.StringValue);

    static string Hex(Google.Protobuf.ByteString bytes) => Convert.ToHexStringLower(bytes.Span);
}
