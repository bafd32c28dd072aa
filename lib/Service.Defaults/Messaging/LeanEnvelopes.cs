using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using MassTransit.Serialization;

namespace Service.Defaults;

/// <summary>
/// Writes MassTransit's envelopes without what nobody reads: empty values, and the description of the sending process.
/// That is half of the text of a small message, which is stored, sent and parsed for each one.
/// </summary>
static class LeanEnvelopes
{
    const string Host = "host";

    public static JsonSerializerOptions Configure(JsonSerializerOptions json)
    {
        json.WriteIndented = false;
        json.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        json.TypeInfoResolver = json.TypeInfoResolver!.WithAddedModifier(OmitHost);
        return json;
    }

    static void OmitHost(JsonTypeInfo type)
    {
        if (type.Type == typeof(JsonMessageEnvelope))
            foreach (var property in type.Properties.Where(x => x.Name == Host))
                property.ShouldSerialize = (_, _) => false;
    }
}
