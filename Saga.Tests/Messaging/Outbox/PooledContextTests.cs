using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>
/// A context counts how often its connection was opened, also while it is in the pool. What opens it once more than it
/// closes it makes all later users of the context keep their connections until the ends of their scopes.
/// </summary>
[TestFixture, Category("Integration")]
public sealed class When_contexts_are_pooled() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_close_the_connection_of_a_context_as_often_as_it_was_opened()
    {
        var replica = await StartIdleReplicaAsync(pooled: true);
        var store = replica.Services.GetRequiredService<OutboxStore<TestDbContext>>();
        var uses = new Dictionary<string, Func<Task>>
        {
            ["backlog"] = () => store.ReadBacklog(default),
            ["claim"] = () => store.Claim(Guid.NewGuid(), retries: false, default),
            ["claim of retries"] = () => store.Claim(Guid.NewGuid(), retries: true, default),
            ["heartbeat"] = () => store.Heartbeat(new OutboxState { OutboxId = Guid.NewGuid() }, default),
            ["release"] = () => store.Release(Guid.NewGuid(), [Guid.NewGuid()], default),
            ["adoption"] = () => store.Adopt([], default),
            ["search for own"] = () => store.FindOwn(Guid.NewGuid(), default),
            ["purge"] = () => store.Purge(default),
            ["postponement"] = () =>
                store.Postpone(Guid.NewGuid(), Guid.NewGuid(), 1, TimeSpan.Zero, park: false, "error", default),
            ["deletion"] = () => store.Delete([Guid.NewGuid()], default),
            ["search"] = () => store.Exist([Guid.NewGuid()], default),
            ["clock"] = () => store.ReadClock(default),
        };
        foreach (var (name, use) in uses)
        {
            await use();
            await using var scope = replica.Services.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TestDbContext>();
            await db.Set<OutboxMessage>().CountAsync();
            Assert.That(db.Database.GetDbConnection().State, Is.EqualTo(ConnectionState.Closed), name);
        }
    }
}
