using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Money = Google.Type.Money;

namespace Saga.Cli;

/// <summary>Writes messages of the API as lines of CSV (RFC 4180); an amount has a column for its currency.</summary>
static class CsvRecords
{
    static readonly char[] Quoted = ['"', ',', '\n', '\r'];

    /// <summary>The names of the columns.</summary>
    public static string Header(MessageDescriptor type) => string.Join(',', type.Fields.InFieldNumberOrder()
        .SelectMany(x => IsMoney(x) ? (string[])[x.Name, $"{x.Name}_currency"] : [x.Name]));

    /// <summary>The values of a message.</summary>
    public static string Line(IMessage message) => string.Join(',', message.Descriptor.Fields.InFieldNumberOrder()
        .SelectMany(x => Values(x, x.Accessor.GetValue(message))).Select(Escape));

    static bool IsMoney(FieldDescriptor field) =>
        field.FieldType == FieldType.Message && field.MessageType == Money.Descriptor;

    static string[] Values(FieldDescriptor field, object? value) => value switch
    {
        Money money => [money.DecimalValue.ToString("0.####", CultureInfo.InvariantCulture), money.CurrencyCode],
        Timestamp time => [JsonSerializer.Serialize(time.ToDateTime()).Trim('"')],
        null when IsMoney(field) => ["", ""],
        _ => [Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""],
    };

    static string Escape(string text) =>
        text.IndexOfAny(Quoted) < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
