using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_a_page_ends
{
    [Test]
    public void Should_go_on_where_it_ended()
    {
        var token = new PageToken("42").ToString("filter");
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(token, "filter"), Is.EqualTo(42));
        Assert.That(violations.Count, Is.Zero);
    }

    [TestCase("no token")]
    [TestCase("AAAA")]
    [TestCase("%%%")]
    public void Should_refuse_what_is_no_token(string text)
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(text, "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }

    [Test]
    public void Should_refuse_a_position_of_another_kind()
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<Guid>(new PageToken("42").ToString("filter"), "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }

    [Test]
    public void Should_refuse_a_token_of_another_filter()
    {
        var violations = new FieldViolations();
        Assert.That(violations.PageToken<long>(new PageToken("42").ToString("other"), "filter"), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }
}
