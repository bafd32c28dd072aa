using System.Text.RegularExpressions;

namespace Service.Defaults;

/// <summary>An amount in one currency, in the currency's unit; never negative, with at most four decimals.</summary>
/// <param name="Amount">The amount, such as 12.50 for twelve euros fifty.</param>
/// <param name="Currency">Three capital letters, as in ISO 4217.</param>
public readonly partial record struct Money(decimal Amount, string Currency)
{
    /// <summary>The largest amount that fits the databases' <c>numeric(19,4)</c>.</summary>
    public const decimal Max = 999_999_999_999_999.9999m;

    const int NanosPerUnit = 1_000_000_000;

    /// <summary>Returns true if the databases can store the amount exactly.</summary>
    public static bool IsAmount(decimal amount) => amount is >= 0 and <= Max && decimal.Round(amount, 4) == amount;

    /// <summary>Returns true if the text is three capital letters.</summary>
    public static bool IsCurrency(string? text) => text != null && Currencies().IsMatch(text);

    /// <summary>Converts the amount to its wire format.</summary>
    public Google.Type.Money ToProto() => ToProto(Amount, Currency);

    /// <inheritdoc cref="ToProto()" />
    public static Google.Type.Money ToProto(decimal amount, string currency) => new()
    {
        CurrencyCode = currency,
        Units = (long)decimal.Truncate(amount),
        Nanos = (int)((amount - decimal.Truncate(amount)) * NanosPerUnit),
    };

    /// <summary>Reads an amount from its wire format; returns null if it adds violations.</summary>
    /// <param name="proto">The amount; null is a violation.</param>
    /// <param name="field">The field's name in the violations.</param>
    /// <param name="violations">Receives the violations.</param>
    public static Money? Read(Google.Type.Money? proto, string field, FieldViolations violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (proto == null)
        {
            violations.Add(field, "is missing");
            return null;
        }

        var countBefore = violations.Count;
        if (!IsCurrency(proto.CurrencyCode))
            violations.Add($"{field}.currency_code", "must be three capital letters, such as EUR");
        if (proto.Units < 0 || proto.Nanos < 0)
            violations.Add(field, "must not be negative");
        else if (proto.Nanos >= NanosPerUnit)
            violations.Add($"{field}.nanos", "must be at most 999999999");
        else if (proto.Nanos % 100_000 != 0)
            violations.Add($"{field}.nanos", "must have at most four decimals: a multiple of 100000");
        else if (proto.Units > (long)Max)
            violations.Add($"{field}.units", $"must be at most {(long)Max}");
        if (violations.Count > countBefore)
            return null;
        return new Money(proto.Units + proto.Nanos / (decimal)NanosPerUnit, proto.CurrencyCode);
    }

    /// <inheritdoc />
    public override string ToString() => $"{Amount} {Currency}";

    [GeneratedRegex("^[A-Z]{3}\\z")]
    private static partial Regex Currencies();
}
