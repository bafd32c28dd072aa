using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Service.Defaults;

/// <summary>
/// Stores an enum by its names. A name that this build does not know, because a newer one has written it, is read as
/// the undefined value 0, so that the row can still be shown.
/// </summary>
public sealed class NamedEnumConverter<TEnum>() : ValueConverter<TEnum, string>(
    value => value.ToString(), name => Parse(name))
    where TEnum : struct, Enum
{
    /// <summary>Reads a name; 0 if it is unknown.</summary>
    public static TEnum Parse(string name) => Enum.TryParse<TEnum>(name, out var value) ? value : default;
}
