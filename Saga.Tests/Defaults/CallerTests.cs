using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_caller_is_known
{
    static readonly Caller Alice = new("alice", IsAdministrator: false);

    [TestCase("alice", true)]
    [TestCase("bob", false)]
    [TestCase(null, false)]
    public void Should_see_only_its_own(string? owner, bool sees) => Assert.That(Alice.Sees(owner), Is.EqualTo(sees));

    [Test]
    public void Should_see_nothing_without_an_owner_but_all_as_an_administrator()
    {
        Assert.That(new Caller(null, IsAdministrator: false).Sees(null), Is.False);
        Assert.That(Caller.Anybody.Sees("alice"));
        Assert.That((Alice.Limit, Caller.Anybody.Limit), Is.EqualTo(("alice", (string?)null)));
    }

    [Test]
    public void Should_have_request_ids_that_are_not_those_of_others()
    {
        var id = Guid.NewGuid();
        var remembered = Alice.Remember(id);
        Assert.That(remembered, Is.Not.EqualTo(id).And.EqualTo(new Caller("alice", true).Remember(id)));
        Assert.That(remembered!.Value.Version, Is.EqualTo(8));
        Assert.That(new Caller("bob", false).Remember(id), Is.Not.EqualTo(remembered));
        Assert.That(Alice.Remember(null), Is.Null);
        Assert.That(Caller.Anybody.Remember(id), Is.EqualTo(id), "as before there were callers");
        Assert.That(new Caller(new string('\u20AC', Caller.MaxOwnerLength), false).Remember(id), Is.Not.Null);
    }
}
