using System.Text.RegularExpressions;
using Grpc.Core;

namespace Service.Defaults;

/// <summary>An amount of one currency, in the currency's unit, with at most four decimals and never negative.</summary>
/// <param name="Amount">For example 12.50 for twelve euros fifty.</param>
/// <param name="Currency">Three capital letters, as in ISO 4217.</param>
public readonly partial record struct Money(decimal Amount, string Currency)
{
    /// <summary>The largest amount that the databases' numeric(19,4) keeps.</summary>
    public const decimal Max = 999_999_999_999_999.9999m;

    /// <summary>Whether the databases keep the amount as it is.</summary>
    public static bool IsAmount(decimal amount) => amount is >= 0 and <= Max && decimal.Round(amount, 4) == amount;

    /// <summary>Whether the text is three capital letters.</summary>
    public static bool IsCurrency(string? text) => text != null && Currencies().IsMatch(text);

    /// <summary>The amount as it goes over the wire.</summary>
    public Google.Type.Money ToProto() => ToProto(Amount, Currency);

    /// <inheritdoc cref="ToProto()" />
    public static Google.Type.Money ToProto(decimal amount, string currency) => new()
    {
        CurrencyCode = currency,
        Units = (long)decimal.Truncate(amount),
        Nanos = (int)((amount - decimal.Truncate(amount)) * 1_000_000_000m),
    };

    /// <summary>Reads an amount from the wire, or says what is wrong with it.</summary>
    /// <param name="proto">The amount; null is a violation.</param>
    /// <param name="field">The name that violations carry.</param>
    /// <param name="violations">Takes what is wrong.</param>
    public static Money? Read(Google.Type.Money? proto, string field, FieldViolations violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (proto == null)
        {
            violations.Add(field, "is missing");
            return null;
        }

        var before = violations.Count;
        if (!IsCurrency(proto.CurrencyCode))
            violations.Add($"{field}.currency_code", "must be three capital letters, such as EUR");
        if (proto.Units < 0 || proto.Nanos < 0)
            violations.Add(field, "must not be negative");
        else if (proto.Nanos > 999_999_999)
            violations.Add($"{field}.nanos", "must be at most 999999999");
        else if (proto.Nanos % 100_000 != 0)
            violations.Add($"{field}.nanos", "must have at most four decimals: a multiple of 100000");
        else if (proto.Units > (long)Max)
            violations.Add($"{field}.units", $"must be at most {(long)Max}");
        return violations.Count > before ? null : new Money(proto.Units + proto.Nanos / 1_000_000_000m, proto.CurrencyCode);
    }

    /// <inheritdoc />
    public override string ToString() => $"{Amount} {Currency}";

    [GeneratedRegex("^[A-Z]{3}\\z")]
    private static partial Regex Currencies();
}
