using Google.Api;

namespace Service.Defaults;

/// <summary>The verb and the path of a method's HTTP/JSON form.</summary>
/// <param name="Rule">The annotation in the .proto file.</param>
/// <param name="Verb">The HTTP verb.</param>
/// <param name="Segments">The segments of the path; null for a variable.</param>
/// <param name="Suffix">What follows the last segment, such as <c>:cancel</c>; empty for most.</param>
sealed record JsonRoute(HttpRule Rule, string Verb, string?[] Segments, string Suffix)
{
    /// <summary>Reads an annotation.</summary>
    /// <exception cref="NotSupportedException">The annotation has a custom verb.</exception>
    public static JsonRoute Of(HttpRule rule)
    {
        var (verb, template) = rule.PatternCase switch
        {
            HttpRule.PatternOneofCase.Get => ("GET", rule.Get),
            HttpRule.PatternOneofCase.Put => ("PUT", rule.Put),
            HttpRule.PatternOneofCase.Post => ("POST", rule.Post),
            HttpRule.PatternOneofCase.Delete => ("DELETE", rule.Delete),
            HttpRule.PatternOneofCase.Patch => ("PATCH", rule.Patch),
            _ => throw new NotSupportedException($"HTTP rule {rule}"),
        };
        var (path, suffix) = SplitSuffix(template);
        return new JsonRoute(rule, verb, [.. path.Split('/').Select(x => x.StartsWith('{') ? null : x)], suffix);
    }

    /// <summary>Whether the path is one of this method's; as in ASP.NET's routing, it may end with a slash.</summary>
    public bool Matches(string path)
    {
        var (withoutSuffix, suffix) = SplitSuffix(path.EndsWith('/') ? path[..^1] : path);
        var segments = withoutSuffix.Split('/');
        return segments.Length == Segments.Length && IsSame(suffix, Suffix)
            && segments.Zip(Segments).All(x => x.Second == null ? x.First != "" : IsSame(x.First, x.Second));
    }

    static bool IsSame(string a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase); // as ASP.NET routes

    static (string Path, string Suffix) SplitSuffix(string path)
    {
        var colon = path.IndexOf(':', path.LastIndexOf('/') + 1);
        return colon < 0 ? (path, "") : (path[..colon], path[colon..]);
    }
}
