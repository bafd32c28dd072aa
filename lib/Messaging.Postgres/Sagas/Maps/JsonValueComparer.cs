using System.Text.Json;
using MassTransit.Serialization;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Compares objects by the JSON text that is stored for them, so that a change inside of an object is detected.
/// </summary>
public class JsonValueComparer<T>() : ValueComparer<T>(
    (x, y) => ToJson(x) == ToJson(y),
    x => ToJson(x).GetHashCode(StringComparison.Ordinal),
    x => JsonSerializer.Deserialize<T>(ToJson(x), SystemTextJsonMessageSerializer.Options)!)
    where T : class?
{
    static string ToJson(T? value) => JsonSerializer.Serialize(value, SystemTextJsonMessageSerializer.Options);
}
