using System.Globalization;
using System.Text;

namespace Saga.Fuzz;

/// <summary>One HTTP request to a service: a gRPC call, or a request to its JSON API.</summary>
/// <param name="Number">Its number, which with the seed decides everything else.</param>
/// <param name="Method">The method that it was made from.</param>
/// <param name="Caller">Who calls; the token may be damaged.</param>
/// <param name="IsGrpc">Whether it is a gRPC call.</param>
sealed record FuzzCall(int Number, FuzzMethod Method, string Caller, bool IsGrpc)
{
    const int MaxShown = 600;

    /// <summary>What is damaged.</summary>
    public required Damage Damage { get; init; }

    /// <summary>Whether it uses the port for HTTP/2; otherwise that for HTTP/1.1.</summary>
    public required bool IsHttp2 { get; init; }

    /// <summary>The HTTP verb.</summary>
    public required string Verb { get; init; }

    /// <summary>The path and the query.</summary>
    public required string Target { get; init; }

    /// <summary>The headers, without the content type.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>The content type of the body; null for none.</summary>
    public string? ContentType { get; init; }

    /// <summary>The body; null for none.</summary>
    public byte[]? Body { get; init; }

    /// <summary>After how long the client gives the call up; null if it waits for the response.</summary>
    public TimeSpan? AbortAfter { get; init; }

    /// <summary>The request as text: for people, not complete.</summary>
    public override string ToString()
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture,
            $"{Method.Name} by {Caller}, damage: {Damage}\n  {Verb} {Shorten(Target)} HTTP/{(IsHttp2 ? "2" : "1.1")}");
        foreach (var (name, value) in Headers)
            text.Append(CultureInfo.InvariantCulture, $"\n  {name}: ")
                .Append(name == "authorization" && Damage != Damage.Token ? $"Bearer (of {Caller})" : Shorten(value));
        if (ContentType != null)
            text.Append(CultureInfo.InvariantCulture, $"\n  content-type: {ContentType}");
        if (AbortAfter is { } time)
            text.Append(CultureInfo.InvariantCulture, $"\n  given up after {time.TotalMilliseconds} ms");
        if (Body != null)
            text.Append(CultureInfo.InvariantCulture, $"\n  {Body.Length} bytes: ").Append(Shorten(IsGrpc
                ? Convert.ToHexString(Body) : Encoding.UTF8.GetString(Body)));
        return text.ToString();
    }

    static string Shorten(string text) => text.Length <= MaxShown ? text : $"{text[..MaxShown]}…";
}
