using Google.Type;

namespace Saga.Services;

/// <summary>Amounts as the wire has them.</summary>
public static class Euros
{
    /// <summary>Whole euros.</summary>
    public static Money Of(long units) => new() { CurrencyCode = "EUR", Units = units };
}
