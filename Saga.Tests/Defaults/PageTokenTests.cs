using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_page_token_is_read
{
    [Test]
    public void Should_return_the_position_of_the_page()
    {
        var token = new PageToken("42").ToString("filter");
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(token, "filter"), Is.EqualTo(42));
        Assert.That(violations.Count, Is.Zero);
    }

    [TestCase("no token")]
    [TestCase("AAAA")]
    [TestCase("%%%")]
    public void Should_reject_invalid_tokens(string text)
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(text, "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }

    [Test]
    public void Should_reject_a_position_of_another_type()
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<Guid>(new PageToken("42").ToString("filter"), "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }

    [Test]
    public void Should_reject_a_token_of_another_filter()
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(new PageToken("42").ToString("other"), "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }
}
