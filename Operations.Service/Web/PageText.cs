using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;

namespace Operations.Web;

/// <summary>Texts of the page, beside those of <see cref="StoryEvents" />.</summary>
static class PageText
{
    static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // it is encoded as HTML
    };

    /// <summary>A number with thousands separators.</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number with a noun, such as 1 message or 2 messages.</summary>
    public static string Number(long number, string noun) => $"{Number(number)} {noun}{(number == 1 ? "" : "s")}";

    /// <summary>A number with at most one decimal.</summary>
    public static string Number(double number) => number.ToString("#,0.#", CultureInfo.InvariantCulture);

    /// <summary>JSON in lines that can be read; any other text as it is.</summary>
    public static string Lines(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return JsonSerializer.Serialize(json.RootElement, Indented);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    /// <summary>The age of a time, such as 5 min.</summary>
    public static string Age(Timestamp? time, DateTime now) => time == null ? "?"
        : StoryEvents.Text(now > time.ToDateTime() ? now - time.ToDateTime() : TimeSpan.Zero);
}
