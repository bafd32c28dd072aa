using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Saga.Attack;

/// <summary>How a request ended, as its caller knows it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter))]
enum Answer
{
    /// <summary>It was answered.</summary>
    Ok,

    /// <summary>It was refused, and has done nothing.</summary>
    Failed,

    /// <summary>Nobody knows: no answer came.</summary>
    Unknown,
}

/// <summary>A request and its answer, or a fault.</summary>
/// <param name="At">Seconds since the attack began.</param>
/// <param name="Kind">create, cancel, deposit, read, or fault.</param>
/// <param name="Answer">How it ended.</param>
sealed record Event(double At, string Kind, Answer Answer)
{
    public string? RequestId { get; init; }
    public string? OrderId { get; init; }
    public string? AccountId { get; init; }
    public decimal? Amount { get; init; }
    public string? Status { get; init; }
    public string? Detail { get; init; }
}

/// <summary>Everything that was asked and answered, a line of JSON each.</summary>
sealed class History(string file) : IDisposable
{
    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    readonly StreamWriter _writer = new(file);
    readonly long _start = Stopwatch.GetTimestamp();

    public string File => file;

    public double Now => Math.Round(Stopwatch.GetElapsedTime(_start).TotalSeconds, 3);

    public void Add(Event entry)
    {
        var line = JsonSerializer.Serialize(entry, Json);
        lock (_writer)
            _writer.WriteLine(line);
    }

    public IReadOnlyList<Event> Read()
    {
        lock (_writer)
            _writer.Flush();
        return [.. System.IO.File.ReadLines(file).Select(x => JsonSerializer.Deserialize<Event>(x, Json)!)];
    }

    public void Dispose() => _writer.Dispose();
}
