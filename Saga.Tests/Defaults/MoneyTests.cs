using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_money_is_read_from_a_request
{
    [TestCase("EUR", 12, 500_000_000, 12.5)]
    [TestCase("EUR", 0, 10_000_000, 0.01)]
    [TestCase("JPY", 100, 0, 100)]
    [TestCase("KWD", 1, 1_000_000, 1.001)]
    [TestCase("CLF", 0, 100_000, 0.0001)]
    [TestCase("XAD", 0, 10_000_000, 0.01)]
    [TestCase("BGN", 0, 10_000_000, 0.01, Description = "withdrawn, but accounts may hold it")]
    [TestCase("EUR", 0, 0, 0)]
    public void Should_convert_valid_amounts_in_both_directions(string currency, long units, int nanos, decimal amount)
    {
        var violations = new FieldViolations();
        var wire = new Google.Type.Money { CurrencyCode = currency, Units = units, Nanos = nanos };

        var money = Money.Read(wire, "price", violations);

        Assert.That(money, Is.EqualTo(new Money(amount, currency)));
        Assert.That(money!.Value.ToProto(), Is.EqualTo(wire));
        Assert.That(violations.Count, Is.Zero);
    }

    /// <summary>Accounts may have been opened before there was a rule for currencies.</summary>
    [TestCase("ZZZ", 1, 0, true)]
    [TestCase("JPY", 0, 1_000_000, true)]
    [TestCase("EUR", 0, 100_000, true)]
    [TestCase("EUR", 0, 10_000, false)]
    [TestCase("EUR", -1, 0, false)]
    [TestCase("EUR", 0, 1_000_000_000, false)]
    [TestCase("EURO", 1, 0, false)]
    public void Should_read_any_amount_that_can_be_stored(string currency, long units, int nanos, bool isStored)
    {
        var violations = new FieldViolations();
        var wire = new Google.Type.Money { CurrencyCode = currency, Units = units, Nanos = nanos };
        Assert.That(Money.ReadStored(wire, "amount", violations)?.ToProto(), Is.EqualTo(isStored ? wire : null));
        Assert.That(violations.Count, Is.EqualTo(isStored ? 0 : 1));
    }

    [Test]
    public void Should_accept_the_largest_amount()
    {
        var wire = Money.ToProto(Money.Max, "CLF");
        Assert.That(Money.Read(wire, "price", new FieldViolations())!.Value.Amount, Is.EqualTo(Money.Max));
    }

    [TestCase("EUR", -1, 0)]
    [TestCase("EUR", 0, -1)]
    [TestCase("EUR", 0, 1_000_000)]
    [TestCase("JPY", 0, 1_000_000)]
    [TestCase("JPY", 1, 500_000_000)]
    [TestCase("KWD", 0, 100_000)]
    [TestCase("CLF", 0, 10_000)]
    [TestCase("ZZZ", 1, 0)]
    [TestCase("XXX", 1, 0)]
    [TestCase("XAU", 1, 0)]
    [TestCase("DEM", 1, 0)]
    [TestCase("#", 1, 0)]
    [TestCase("EUR", 0, 1_000_000_000)]
    [TestCase("EUR", 1_000_000_000_000_000, 0)]
    [TestCase("eur", 1, 0)]
    [TestCase("EURO", 1, 0)]
    [TestCase("EU", 1, 0)]
    [TestCase("EUR\n", 1, 0)]
    [TestCase("", 1, 0)]
    public void Should_reject_invalid_amounts(string currency, long units, int nanos)
    {
        var violations = new FieldViolations();
        var wire = new Google.Type.Money { CurrencyCode = currency, Units = units, Nanos = nanos };
        var money = Money.Read(wire, "price", violations);
        Assert.That(money, Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }
}
