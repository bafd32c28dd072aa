using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using Messaging.Postgres;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_page_token_is_read
{
    readonly PageTokens _tokens = new(new EphemeralDataProtectionProvider());

    [Test]
    public void Should_return_the_position_of_the_page()
    {
        var violations = new FieldViolations();
        Assert.That(_tokens.Read<long>(_tokens.Create(42L, "filter"), "filter", violations), Is.EqualTo(42));
        Assert.That(violations.Count, Is.Zero);
    }

    [Test]
    public void Should_reveal_neither_position_nor_filter()
    {
        var position = Guid.NewGuid();
        var token = _tokens.Create(position, "filter");
        Assert.That(Base64Url.IsValid(token), "a token is part of a URL");
        var bytes = Base64Url.DecodeFromChars(token);
        Assert.That(Encoding.Latin1.GetString(bytes),
            Does.Not.Contain($"{position}").And.Not.Contain("filter"));
        Assert.That(bytes.AsSpan().IndexOf(position.ToByteArray(bigEndian: true)), Is.Negative);
        Assert.That(_tokens.Create(position, "filter"), Is.Not.EqualTo(token), "equal positions cannot be recognized");
    }

    [TestCase("no token")]
    [TestCase("AAAA")]
    [TestCase("%%%")]
    public void Should_reject_invalid_tokens(string text) => AssertRejected(text);

    [Test]
    public void Should_reject_a_token_of_another_filter() => AssertRejected(_tokens.Create(42L, "other"));

    [Test]
    public void Should_reject_a_token_that_was_changed()
    {
        var token = _tokens.Create(42L, "filter").ToCharArray();
        token[^3] = token[^3] == 'A' ? 'B' : 'A';
        AssertRejected(new string(token));
    }

    [Test]
    public void Should_not_take_an_outage_for_an_invalid_token()
    {
        var services = new ServiceCollection();
        services.AddDataProtection();
        services.Configure<KeyManagementOptions>(x => x.XmlRepository = new UnreachableKeys());
        using var provider = services.BuildServiceProvider();
        var tokens = new PageTokens(provider.GetRequiredService<IDataProtectionProvider>());
        Exception? error = Assert.Throws<CryptographicException>(
            () => tokens.Read<long>(_tokens.Create(42L, "filter"), "filter", new FieldViolations()));
        Assert.That(PostgresErrors.IsUnavailable(error!), "a call then fails with UNAVAILABLE");
        error = Assert.Throws<CryptographicException>(() => tokens.Create(42L, "filter"));
        Assert.That(PostgresErrors.IsUnavailable(error!));
    }

    void AssertRejected(string token)
    {
        var violations = new FieldViolations();
        Assert.That(_tokens.Read<long>(token, "filter", violations), Is.Null);
        Assert.That(violations.Count, Is.EqualTo(1));
    }

    sealed class UnreachableKeys : IXmlRepository
    {
        public IReadOnlyCollection<XElement> GetAllElements() => throw new NpgsqlException("no route to host");

        public void StoreElement(XElement element, string friendlyName) =>
            throw new NpgsqlException("no route to host");
    }
}
