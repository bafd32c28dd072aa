using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Saga.Attack;

/// <summary>The events of an attack in a file, one line of JSON each. Thread-safe.</summary>
sealed class History(string file) : IDisposable
{
    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    readonly StreamWriter _writer = new(file);
    readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>The path of the file.</summary>
    public string File => file;

    /// <summary>Seconds since the start of the attack.</summary>
    public double Now => Math.Round(Stopwatch.GetElapsedTime(_start).TotalSeconds, 3);

    public void Add(HistoryEvent entry)
    {
        var line = JsonSerializer.Serialize(entry, Json);
        lock (_writer)
            _writer.WriteLine(line);
    }

    public IReadOnlyList<HistoryEvent> Read()
    {
        lock (_writer)
            _writer.Flush();
        return [.. System.IO.File.ReadLines(file).Select(x => JsonSerializer.Deserialize<HistoryEvent>(x, Json)!)];
    }

    public void Dispose() => _writer.Dispose();
}
