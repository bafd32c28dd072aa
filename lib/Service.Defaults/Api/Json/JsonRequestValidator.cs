using System.Text.Json;
using System.Text.Unicode;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Service.Defaults;

/// <summary>
/// Compares query parameters and JSON bodies with the fields of a request message, and names every bad field.
/// </summary>
static class JsonRequestValidator
{
    const int MaxDepth = 32;
    const int MaxNameLength = 100;

    /// <summary>Checks the query parameters.</summary>
    /// <param name="query">The parameters.</param>
    /// <param name="type">The request message.</param>
    /// <param name="hasBody">Whether the body is the request, so that no parameter is allowed.</param>
    /// <param name="path">The fields that the path sets.</param>
    /// <param name="violations">Collects the bad parameters.</param>
    public static void CheckQuery(IQueryCollection query, MessageDescriptor type, bool hasBody,
        RouteValueDictionary path, FieldViolations violations)
    {
        var seen = new Dictionary<string, string>();
        foreach (var (name, values) in query)
        {
            var fields = FindPath(type, name);
            var field = fields.LastOrDefault();
            var key = string.Join('.', fields.Select(x => x.Name));
            if (field == null)
                violations.Add(name == "" ? "query" : Shown(name), "is not a parameter of this method");
            else if (hasBody)
                violations.Add(name, "must be in the body, not in the query");
            else if (path.ContainsKey(fields[0].Name))
                violations.Add(name, "must be in the path, not in the query");
            else if (!seen.TryAdd(key, name) || (values.Count > 1 && !field.IsRepeated))
                violations.Add(name, Repeated(name, seen[key]));
            else if (values.Any(x => !IsValid(field, JsonSerializer.SerializeToElement(x)) || !IsPlain(field, x!)))
                violations.Add(name, Expectation(field));
        }
    }

    /// <summary>Rejects the body of a method that has none, and says where its fields belong.</summary>
    /// <param name="body">The body; an empty one is none.</param>
    /// <param name="type">The request message.</param>
    /// <param name="path">The fields that the path sets.</param>
    /// <param name="violations">Collects the misplaced fields, or the request if the body is no JSON object.</param>
    public static void CheckNoBody(ReadOnlyMemory<byte> body, MessageDescriptor type, RouteValueDictionary path,
        FieldViolations violations)
    {
        if (body.IsEmpty)
            return;
        foreach (var name in FindNames(body))
            violations.Add(Shown(name), Find(type, name) is not { } field ? "is not a parameter of this method"
                : $"must be in the {(path.ContainsKey(field.Name) ? "path" : "query")}, not in the body");
        if (violations.Count == 0)
            violations.Add("request", "must not have a body");
    }

    /// <summary>The names of a JSON object; none if the text is something else.</summary>
    static string[] FindNames(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? [.. document.RootElement.EnumerateObject().Select(x => x.Name)] : [];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // half a surrogate pair in a name
        {
            return [];
        }
    }

    /// <summary>Reads the body.</summary>
    /// <param name="json">The body: UTF-8 (RFC 8259).</param>
    /// <param name="type">The request message.</param>
    /// <param name="path">The fields that the path sets; the body must not contradict them.</param>
    /// <param name="violations">Collects the bad fields; without any, the returned message is valid.</param>
    public static IMessage ReadBody(ReadOnlyMemory<byte> json, MessageDescriptor type, RouteValueDictionary path,
        FieldViolations violations)
    {
        var message = (IMessage)Activator.CreateInstance(type.ClrType)!;
        if (!Utf8.IsValid(json.Span))
        {
            violations.Add("request", "must be UTF-8");
            return message;
        }

        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth });
            CheckMessage(document.RootElement, type, "", violations);
            if (violations.Count == 0)
                message = JsonParser.Default.Parse(document.RootElement.GetRawText(), type);
        }
        catch (JsonException e)
        {
            violations.Add("request",
                $"must be a JSON object: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1} is not valid");
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidOperationException)
        {
            // InvalidOperationException: the name of a field has half a surrogate pair.
            violations.Add("request", "must be a JSON object with the fields of the request");
        }

        foreach (var field in type.Fields.InDeclarationOrder())
            if (path.TryGetValue(field.Name, out var inPath)
                && field.Accessor.GetValue(message) is string { Length: > 0 } inBody
                && !IsSame(inBody, inPath?.ToString()))
                violations.Add(field.Name, "differs between path and body");
        return message;
    }

    /// <summary>Whether two texts are equal, or the same id.</summary>
    static bool IsSame(string a, string? b) =>
        a == b || (FieldViolations.IsId(a, out var x) && FieldViolations.IsId(b, out var y) && x == y);

    static void CheckMessage(JsonElement json, MessageDescriptor type, string prefix, FieldViolations violations)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            violations.Add(prefix == "" ? "request" : prefix.TrimEnd('.'), "must be an object");
            return;
        }

        var seen = new Dictionary<FieldDescriptor, string>();
        foreach (var property in json.EnumerateObject())
        {
            var name = prefix + Shown(property.Name);
            if (Find(type, property.Name) is not { } field)
                violations.Add(name, "is not a field of the request");
            else if (!seen.TryAdd(field, property.Name))
                violations.Add(name, Repeated(property.Name, seen[field]));
            else if (property.Value.ValueKind != JsonValueKind.Null) // null stands for the default value
                CheckField(property.Value, field, prefix + field.Name, violations);
        }
    }

    static string Repeated(string name, string first) =>
        name == first ? "is given more than once" : $"is given more than once, also as {first}";

    /// <summary>The name of a field as an error can repeat it: not empty, and not longer than any real one.</summary>
    static string Shown(string name) => name switch
    {
        "" => "\"\"",
        // Not after the first half of a surrogate pair.
        { Length: > MaxNameLength } =>
            $"{name[..(MaxNameLength - (char.IsHighSurrogate(name[MaxNameLength - 1]) ? 1 : 0))]}…",
        _ => name,
    };

    static void CheckField(JsonElement json, FieldDescriptor field, string name, FieldViolations violations)
    {
        if (!field.IsRepeated || field.IsMap)
            CheckValue(json, field, name, violations);
        else if (json.ValueKind != JsonValueKind.Array)
            violations.Add(name, "must be an array");
        else
            foreach (var (element, i) in json.EnumerateArray().Select((x, i) => (x, i)))
                CheckValue(element, field, $"{name}[{i}]", violations);
    }

    static void CheckValue(JsonElement json, FieldDescriptor field, string name, FieldViolations violations)
    {
        if (field.FieldType == FieldType.Message && !IsWellKnown(field.MessageType))
            CheckMessage(json, field.MessageType, name + ".", violations);
        else if (!IsValid(field, json) || IsQuoted(field, json))
            violations.Add(name, Expectation(field));
    }

    /// <summary>
    /// Whether a number of 32 bits is a text in the body. Protobuf's parser would accept that; but only numbers of 64
    /// bits, which JavaScript cannot represent, have this form when they are written.
    /// </summary>
    static bool IsQuoted(FieldDescriptor field, JsonElement json) =>
        json.ValueKind == JsonValueKind.String && field.FieldType is (FieldType.Int32 or FieldType.UInt32);

    /// <summary>Whether protobuf's own parser accepts a value for the field alone.</summary>
    static bool IsValid(FieldDescriptor field, JsonElement value)
    {
        try
        {
            var json = field.IsRepeated ? $"[{value.GetRawText()}]" : value.GetRawText();
            JsonParser.Default.Parse($"{{\"{field.JsonName}\":{json}}}", field.ContainingType);
            return true;
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidJsonException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether a parameter is no number in a form such as <c>1e0</c>, which only JSON has for integers: the transcoding
    /// refuses it without naming the field.
    /// </summary>
    static bool IsPlain(FieldDescriptor field, string value) =>
        !IsInteger(field) || value.All(x => char.IsAsciiDigit(x) || x == '-');

    static bool IsInteger(FieldDescriptor field) =>
        field.FieldType is FieldType.Int32 or FieldType.Int64 or FieldType.UInt32 or FieldType.UInt64;

    static string Expectation(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Int32 or FieldType.UInt32 => "must be an integer in its range, without quotes",
        _ when IsInteger(field) => "must be an integer in its range",
        FieldType.Enum => $"must be one of {string.Join(", ", field.EnumType.Values.Select(x => x.Name))}",
        FieldType.Bool => "must be true or false",
        FieldType.String => "must be a string",
        _ => "has the wrong type",
    };

    static bool IsWellKnown(MessageDescriptor type) =>
        type.FullName.StartsWith("google.protobuf.", StringComparison.Ordinal);

    /// <summary>The fields on the path <c>day.year</c> of a parameter; none if there is no such path.</summary>
    static IReadOnlyList<FieldDescriptor> FindPath(MessageDescriptor type, string path)
    {
        var fields = new List<FieldDescriptor>();
        foreach (var name in path.Split('.'))
        {
            var parent = fields.Count == 0 ? type
                : fields[^1] is { IsRepeated: false, FieldType: FieldType.Message, MessageType: { } message }
                    && !IsWellKnown(message) ? message : null;
            if (parent == null || Find(parent, name) is not { } field)
                return [];
            fields.Add(field);
        }

        return fields;
    }

    static FieldDescriptor? Find(MessageDescriptor type, string name) =>
        type.Fields.InDeclarationOrder().FirstOrDefault(x => x.Name == name || x.JsonName == name);
}
