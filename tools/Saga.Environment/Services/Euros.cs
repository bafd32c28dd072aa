using Google.Type;

namespace Saga.Services;

/// <summary>Creates amounts in the type of the API.</summary>
public static class Euros
{
    /// <summary>An amount of whole euros.</summary>
    public static Money Of(long units) => new() { CurrencyCode = "EUR", Units = units };
}
