using Messaging.RabbitMq;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_a_broker_address_is_read
{
    [TestCase("amqp://u:p@h/", "h:5672", false)]
    [TestCase("amqps://u:p@h/", "h:5671", true)]
    [TestCase("amqps://u:p@h:25671/vhost", "h:25671", true)]
    [TestCase("amqps://u:p@h:5672", "h:5672", true)]
    [TestCase("amqp://u:p@h:5671/", "h:5671", true)]
    [TestCase("amqp://u:p@h1:1,h2:2, h3/vhost", "h1:1 h2:2 h3:5672", false)]
    [TestCase("amqps://u:p@h1,h2:2/vhost", "h1:5671 h2:2", true)]
    [TestCase("amqp://u:p@[::1]:1,[::2]/", "[::1]:1 [::2]:5672", false)]
    public void Should_find_the_nodes_and_whether_they_use_tls(string text, string nodes, bool isTls)
    {
        var address = BrokerAddress.Parse(text);
        Assert.That(string.Join(' ', address.Nodes.Select(x => $"{x.Host}:{x.Port}")), Is.EqualTo(nodes));
        Assert.That(address.IsTls, Is.EqualTo(isTls));
        Assert.That((address.User, address.Password), Is.EqualTo(("u", "p")));
    }

    [Test]
    public void Should_keep_the_virtual_host_and_unescape_the_credentials()
    {
        var address = BrokerAddress.Parse("amqp://user%40a:p%2F%3Aw@h1,h2/some%2Fhost");
        Assert.That(address.Nodes.Select(x => x.AbsolutePath), Is.All.EqualTo("/some%2Fhost"));
        Assert.That((address.User, address.Password), Is.EqualTo(("user@a", "p/:w")));
    }

    [Test]
    public void Should_be_guest_without_credentials() =>
        Assert.That(BrokerAddress.Parse("amqp://h/").User, Is.EqualTo("guest"));

    [TestCase(null), TestCase(""), TestCase("h:5672"), TestCase("http://h/"), TestCase("amqp://")]
    [TestCase("amqp://h1,,h2/")]
    public void Should_refuse_anything_else(string? text) => Assert.That(() => BrokerAddress.Parse(text),
        Throws.InvalidOperationException.With.Message.Contains("amqp://user:password@host:5672/"));
}
