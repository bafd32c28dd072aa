using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Conversions of saga properties.</summary>
public static class ValueConversionExtensions
{
    /// <summary>Stores the property as JSON text.</summary>
    public static PropertyBuilder<T> HasJsonConversion<T>(this PropertyBuilder<T> builder) where T : class?
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.HasConversion(new JsonValueConverter<T>(), new JsonValueComparer<T>());
    }
}
