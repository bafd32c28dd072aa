namespace Service.Defaults;

/// <summary>
/// An amount in one currency, in the currency's unit; never negative, with the decimals of its currency.
/// </summary>
/// <param name="Amount">The amount, such as 12.50 for twelve euros fifty.</param>
/// <param name="Currency">A code of ISO 4217: three capital letters.</param>
public readonly record struct Money(decimal Amount, string Currency)
{
    /// <summary>The largest amount that fits the databases' <c>numeric(19,4)</c>.</summary>
    public const decimal Max = 999_999_999_999_999.9999m;

    /// <summary>What a currency must be, as the description of a violation.</summary>
    public const string CurrencyExpectation = "must be a currency of ISO 4217, such as EUR";

    const int NanosPerUnit = 1_000_000_000;

    /// <summary>Returns true if the databases can store the amount exactly.</summary>
    public static bool IsAmount(decimal amount) => amount is >= 0 and <= Max && decimal.Round(amount, 4) == amount;

    /// <summary>Returns true if the text is a currency of ISO 4217.</summary>
    public static bool IsCurrency(string? text) => Currencies.FindDecimals(text) != null;

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
        var decimals = Currencies.FindDecimals(proto.CurrencyCode);
        if (decimals == null)
            violations.Add($"{field}.currency_code", CurrencyExpectation);
        if (proto.Units < 0 || proto.Nanos < 0)
            violations.Add(field, "must not be negative");
        else if (proto.Nanos >= NanosPerUnit)
            violations.Add($"{field}.nanos", "must be at most 999999999");
        else if (decimals is { } d && proto.Nanos % SmallestNanos(d) is not 0)
            violations.Add($"{field}.nanos", d == 0
                ? $"must be 0: {proto.CurrencyCode} has no decimals"
                : $"must be a multiple of {SmallestNanos(d)}: {proto.CurrencyCode} has {d} decimals");
        else if (proto.Units > (long)Max)
            violations.Add($"{field}.units", $"must be at most {(long)Max}");
        if (violations.Count > countBefore)
            return null;
        return new Money(proto.Units + proto.Nanos / (decimal)NanosPerUnit, proto.CurrencyCode);
    }

    /// <summary>
    /// Reads an amount that a service has stored: of any currency, because the rules may have been others.
    /// </summary>
    /// <inheritdoc cref="Read" />
    public static Money? ReadStored(Google.Type.Money? proto, string field, FieldViolations violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (proto is { Units: >= 0, Nanos: >= 0 and < NanosPerUnit, CurrencyCode.Length: 3 }
            && proto.Units + proto.Nanos / (decimal)NanosPerUnit is var amount && IsAmount(amount))
            return new Money(amount, proto.CurrencyCode);
        violations.Add(field, "is not an amount that Account can have stored");
        return null;
    }

    /// <summary>The smallest amount of a currency with so many decimals; 0 decimals: a whole unit.</summary>
    static int SmallestNanos(int decimals) => (int)Math.Pow(10, 9 - decimals);

    /// <inheritdoc />
    public override string ToString() => $"{Amount} {Currency}";
}
