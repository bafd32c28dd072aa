using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Unit")]
public sealed class When_outbox_times_are_mapped
{
    /// <summary>
    /// With Npgsql.EnableLegacyTimestampBehavior, a switch of the whole process, the provider maps times to local ones.
    /// </summary>
    [Test]
    public void Should_store_times_with_their_zone_and_read_them_as_utc_whatever_the_provider_returns()
    {
        using var db = new TestDbContext(
            new DbContextOptionsBuilder<TestDbContext>().UseNpgsql("Host=127.0.0.1").Options);
        Type[] entities = [typeof(OutboxMessage), typeof(InboxState)];
        var times = entities.SelectMany(x => db.Model.FindEntityType(x)!.GetProperties())
            .Where(x => x.ClrType == typeof(DateTime) || x.ClrType == typeof(DateTime?)).ToList();
        Assert.That(times, Has.Count.EqualTo(5));
        var local = new DateTime(2026, 11, 28, 12, 0, 0, DateTimeKind.Local);
        foreach (var time in times)
        {
            Assert.That(time.GetColumnType(), Is.EqualTo("timestamp with time zone"));
            var read = (DateTime)time.GetTypeMapping().Converter!.ConvertFromProvider(local)!;
            Assert.That((read, read.Kind), Is.EqualTo((local.ToUniversalTime(), DateTimeKind.Utc)));
        }
    }
}
