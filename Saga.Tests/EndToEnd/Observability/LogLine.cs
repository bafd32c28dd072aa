using System.Text.Json;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>A line of a log in JSON.</summary>
sealed record LogLine(string Text, JsonElement Json)
{
    public string Level => Json.GetProperty("LogLevel").GetString()!;

    public string Message => Json.GetProperty("Message").GetString()!;

    /// <summary>Reads the complete lines of a log after a number of lines.</summary>
    public static IReadOnlyList<LogLine> Read(ServiceReplica replica, int skip = 0) =>
        [.. File.ReadAllText(replica.LogFile).Split('\n')[..^1].Skip(skip)
            .Select(x => new LogLine(x, JsonDocument.Parse(x).RootElement))];

    /// <summary>The value of a field, of the message or of its scopes; null if there is none.</summary>
    public string? Field(string name)
    {
        var parts = Json.GetProperty("Scopes").EnumerateArray().ToList();
        if (Json.TryGetProperty("State", out var state))
            parts.Add(state);
        return parts.Where(x => x.ValueKind == JsonValueKind.Object && x.TryGetProperty(name, out _))
            .Select(x => x.GetProperty(name).GetString()).FirstOrDefault();
    }

    public bool Has(string text) => Message.Contains(text, StringComparison.Ordinal);

    public override string ToString() => Text;
}
