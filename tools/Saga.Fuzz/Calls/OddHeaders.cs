namespace Saga.Fuzz;

/// <summary>Headers that no client needs, or that contradict the request.</summary>
static class OddHeaders
{
    const int LongValue = 7000;
    const int TooLongValue = 40_000; // more than all headers of a request may have
    const int TooLongIsRare = 50;
    const int ManyHeaders = 60;

    static readonly string[] Timeouts =
    [
        "1n", "1u", "500u", "1m", "5m", "0S", "1S", "abc", "", "-1S", "99999999H", "100000000S", "1", "S", "1s", " 1S",
        "1.5S", "١S",
    ];

    static readonly (string Name, string Value)[] Odd =
    [
        ("content-encoding", "gzip"), ("content-encoding", "identity"), ("content-encoding", "nonsense"),
        ("accept", "text/html"), ("accept", "nonsense"), ("accept-encoding", "gzip, br, *"), ("accept-language", "x"),
        ("grpc-encoding", "identity"), ("grpc-encoding", "nonsense"), ("grpc-accept-encoding", "nonsense"),
        ("grpc-accept-encoding", "gzip"), ("te", "nonsense"), ("x-binary-bin", "!!!"), ("x-binary-bin", "AA,BB"),
        ("traceparent", "00-0-0-0"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("traceparent", "ff-00000000000000000000000000000000-0000000000000000-00"), ("tracestate", "=,=,="),
        ("baggage", "a=%ff;=;,,,"), ("x-forwarded-for", "1.2.3.4, x"), ("x-forwarded-proto", "x"),
        ("x-http-method-override", "DELETE"), ("expect", "nonsense"), ("range", "bytes=0-0"), ("if-match", "*"),
        ("if-none-match", "\"x\""), ("cookie", "a=b; =; ;"), ("origin", "null"), ("max-forwards", "0"),
        ("user-agent", "(((("), ("x-utf8", "\u00E4\u20AC"), ("grpc-status", "0"), ("grpc-message", "%ff"),
    ];

    static readonly string[] ContentTypes =
    [
        "", "application/json", "application/json; charset=utf-16", "application/json; charset=\"\"", "text/json",
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/grpc",
        "application/grpc+json", "application/grpc+nonsense", "application/grpcx", "application/grpc-web",
        "application/grpc-web-text", "application/grpc; charset=utf-8", "APPLICATION/GRPC", "application/problem+json",
        "nonsense", "*/*", "application/json, application/json", "application/json;;;", "\u00E4",
    ];

    /// <summary>Adds odd headers to a call, or replaces its own.</summary>
    public static FuzzCall Add(FuzzCall call, Random random)
    {
        var headers = call.Headers.ToList();
        for (var i = random.Next(1, 3); i > 0; i--)
            switch (random.Next(6))
            {
                case 0:
                    call = call with { ContentType = ContentTypes[random.Next(ContentTypes.Length)] };
                    break;
                case 1:
                    headers.RemoveAll(x => x.Name == "grpc-timeout");
                    headers.Add(("grpc-timeout", Timeouts[random.Next(Timeouts.Length)]));
                    break;
                case 2:
                    var length = random.Next(TooLongIsRare) == 0 ? TooLongValue : LongValue;
                    headers.Add(("x-long", new string('x', length)));
                    break;
                case 3 when headers.Count < ManyHeaders:
                    headers.AddRange(Enumerable.Range(0, ManyHeaders).Select(x => ($"x-{x}", $"{x}")));
                    break;
                default:
                    headers.Add(Odd[random.Next(Odd.Length)]);
                    break;
            }

        return call with { Headers = headers };
    }
}
