using System.Text.Json;
using MassTransit.Serialization;
using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Stores an object as JSON text, written as in messages.</summary>
public class JsonValueConverter<T>(ConverterMappingHints? hints = null) : ValueConverter<T, string>(
    x => JsonSerializer.Serialize(x, SystemTextJsonMessageSerializer.Options),
    x => JsonSerializer.Deserialize<T>(x, SystemTextJsonMessageSerializer.Options)!, hints)
    where T : class?;
