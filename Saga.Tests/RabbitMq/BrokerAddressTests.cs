using Messaging.RabbitMq;
using RabbitMQ.Client;

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

    [TestCase("amqp://h/", "guest", "guest"), TestCase("amqp://u@h/", "u", null)]
    [TestCase("amqps://user%40a@h1,h2/vhost", "user@a", null)]
    public void Should_read_credentials_that_are_not_complete(string text, string user, string? password)
    {
        var address = BrokerAddress.Parse(text);
        Assert.That((address.User, address.Password), Is.EqualTo((user, password)));
    }

    [Test]
    public void Should_take_the_password_for_the_user_of_the_address_from_a_file()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "secret\n");
            var factory = new ConnectionFactory();
            BrokerEndpoints.Read(new BrokerOptions { Address = "amqp://u@h/", PasswordFile = file }, factory);
            Assert.That((factory.UserName, factory.Password), Is.EqualTo(("u", "secret")));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void Should_refuse_a_user_without_a_password()
    {
        var options = new BrokerOptions { Address = "amqp://u@h/" };
        Assert.That(() => BrokerEndpoints.Check(options), Throws.InvalidOperationException.With.Message.Contains("u "));
        Assert.That(() => BrokerEndpoints.Read(options, new ConnectionFactory()), Throws.InvalidOperationException);
    }

    [TestCase("amqps://u:p@h/", "/nowhere", "/nowhere"), TestCase("amqps://u:p@h/", "/dev/null", "has no certificate")]
    [TestCase("amqp://u:p@h/", "/dev/null", "does not begin with amqps")]
    public void Should_refuse_an_authority_that_cannot_be_used(string address, string file, string reason)
    {
        var options = new BrokerOptions { Address = address, CaFile = file };
        Assert.That(() => BrokerEndpoints.Check(options),
            Throws.InvalidOperationException.With.Message.Contains(reason));
    }

    [TestCase(null), TestCase(""), TestCase("h:5672"), TestCase("http://h/"), TestCase("amqp://")]
    [TestCase("amqp://h1,,h2/")]
    public void Should_refuse_anything_else(string? text) => Assert.That(() => BrokerAddress.Parse(text),
        Throws.InvalidOperationException.With.Message.Contains("amqp://user:password@host:5672/"));
}
