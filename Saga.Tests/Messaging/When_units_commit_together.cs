using Local.Host.Servers;
using MassTransit;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_units_commit_together() : MessagingFixture(grouped: true)
{
    [Test]
    public async Task Should_commit_all_but_the_one_that_cannot_be()
    {
        var replica = await StartReplicaAsync();
        var name = Unique("together");
        var there = Guid.NewGuid();
        await InScopeAsync(replica, async (db, _) =>
        {
            db.Add(new Tally { CorrelationId = there, CurrentState = "Counting" });
            await db.SaveChangesAsync();
        });

        var failures = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            if (i % 10 == 3)
                db.Add(new Tally { CorrelationId = there, CurrentState = "Counting" });
            await scope.GetRequiredService<IPublishEndpoint>().Publish(new Pong($"{name} {i}"));
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        }).ContinueWith(x => x.Exception?.InnerException)));

        Assert.That(failures.Where((_, i) => i % 10 == 3), Has.All.InstanceOf<DbUpdateException>());
        Assert.That(failures.Where((_, i) => i % 10 != 3), Has.All.Null);
        Assert.That(await EffectsAsync(name), Is.EqualTo(90));
        for (var i = 0; i < 100; i++)
            if (i % 10 != 3)
                await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(Arrivals.Of($"{name} 3"), Is.Empty);
    }

    [Test]
    public async Task Should_need_fewer_commits_than_there_are_units()
    {
        var replica = await StartReplicaAsync(consumes: false);
        var name = Unique("few");
        await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => InScopeAsync(replica, async (db, scope) =>
        {
            db.Add(new Effect { Name = name });
            await scope.GetRequiredService<IUnitOfWork<TestDbContext>>().CommitAsync(default);
        })));
        var commits = await QueryAsync(db => db.Database.SqlQueryRaw<long>(
            """select count(distinct xmin::text::bigint) as "Value" from "Effects" where "Name" = {0}""", name).SingleAsync());
        Assert.That(await EffectsAsync(name), Is.EqualTo(300));
        Assert.That(commits, Is.LessThan(100));
    }

    [Test]
    public async Task Should_decide_for_each_once_when_one_fails_alone_and_another_after_the_decision()
    {
        var replica = await StartReplicaAsync(more: x => x.AddConsumer<ClaimConsumer>());
        var name = Unique("claims");
        var bus = replica.Services.GetRequiredService<IBus>();

        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => bus.Publish(new Claim(name, i, i % 20 == 7 ? "refused" : i % 20 == 11 ? "fails once" : ""))));

        await Wait.UntilAsync(async () => await EffectsAsync(name) == 57, Patience, () => "57 effects");
        for (var i = 0; i < 60; i++)
            if (i % 20 != 7)
                await ArrivesAsync($"{name} {i}");
        await OutboxIsEmptyAsync();
        Assert.That(await EffectsAsync(name), Is.EqualTo(57));
        Assert.That(await EffectsAsync($"tracked {name}"), Is.EqualTo(57));
        Assert.That((await Servers.Rabbit.QueuesAsync(Name)).Contains("claim_error"));
    }

    public sealed record Claim(string Name, int Number, string Way);

    public sealed class ClaimConsumer(IUnitOfWork<TestDbContext> unit, TestDbContext db) : IConsumer<Claim>
    {
        static readonly ClaimStep Step = new();
        static readonly HashSet<(string, int)> Failed = [];

        public async Task Consume(ConsumeContext<Claim> context)
        {
            var claim = context.Message;
            await unit.AskAsync(Step, claim, context.CancellationToken);
            lock (Failed)
                if (claim.Way == "fails once" && Failed.Add((claim.Name, claim.Number)))
                    throw new TimeoutException("as asked");
            db.Add(new Effect { Name = $"tracked {claim.Name}" });
            await context.Publish(new Pong($"{claim.Name} {claim.Number}"));
        }
    }

    sealed class ClaimStep : ISetStep<Claim, int>
    {
        public void Load(NpgsqlBatch batch, IReadOnlyList<Claim> requests) => batch.BatchCommands.Add(new("select 1"));

        public Task<SetDecision<int>> Decide(NpgsqlDataReader rows, IReadOnlyList<Claim> requests, CancellationToken cancellationToken)
        {
            var results = requests.Select(x => (x.Number, x.Way == "refused" ? new InvalidOperationException("as asked") : (Exception?)null)).ToList();
            var names = requests.Where(x => x.Way != "refused").Select(x => x.Name).ToArray();
            return Task.FromResult(new SetDecision<int>(results,
                [new("""insert into "Effects" ("Name") select * from unnest($1)""") { Parameters = { new() { Value = names } } }]));
        }
    }
}
