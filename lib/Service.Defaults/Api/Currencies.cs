using System.Collections.Frozen;
using System.Globalization;

namespace Service.Defaults;

/// <summary>
/// The currencies of ISO 4217 and the number of their decimals, from <c>currencies.csv</c>, which says where they come
/// from. Codes without decimals of their own, such as gold (XAU) and the code for tests (XTS), are not money that an
/// account can hold.
/// </summary>
static class Currencies
{
    static readonly FrozenDictionary<string, int> Decimals = EmbeddedFile.Read<Caller>("currencies.csv")
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Where(x => x[0] != '#').Select(x => x.Split(','))
        .ToFrozenDictionary(x => x[0], x => int.Parse(x[1], CultureInfo.InvariantCulture), StringComparer.Ordinal);

    /// <summary>Returns the number of decimals of a currency, or null if there is no such currency.</summary>
    public static int? FindDecimals(string? code) =>
        code != null && Decimals.TryGetValue(code, out var decimals) ? decimals : null;
}
