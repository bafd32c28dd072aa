using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_a_row_has_changed_since_it_was_read() : MessagingFixture(grouped: true)
{
    [TestCase(1), TestCase(20)]
    public async Task Should_fail_only_the_units_that_update_the_rows(int changes)
    {
        using var attempts = new CommandCounter(Name);
        var replica = await StartReplicaAsync(withConsumers: false);
        var ids = Enumerable.Range(0, 40).Select(_ => Guid.NewGuid()).ToArray();
        await InScopeAsync(replica, (db, _) =>
        {
            db.AddRange(ids.Select(x =>
                new Tally { CorrelationId = x, CurrentState = "Counting", Name = "it's \"quoted\"" }));
            return db.SaveChangesAsync();
        });
        var (loaded, changed) = (new CountdownEvent(ids.Length), new TaskCompletionSource());
        var (ended, again) = (new CountdownEvent(ids.Length), new TaskCompletionSource());

        var running = ids.Select((id, i) => InScopeAsync(replica, async (db, scope) =>
        {
            var unit = scope.GetRequiredService<IUnitOfWork<TestDbContext>>();
            var tally = await db.Tallies.SingleAsync(x => x.CorrelationId == id);
            loaded.Signal();
            await changed.Task;
            tally.Count = i;
            try
            {
                await unit.CommitAsync(default);
            }
            finally
            {
                ended.Signal();
            }

            await again.Task;
            (tally.Count, tally.ReminderToken) = (tally.Count + 1000, id);
            await unit.CommitAsync(default); // needs the row version of the first commit
        }).ContinueWith(x => x.Exception?.InnerException, TaskScheduler.Default)).ToList();
        await WaitUntilAsync(() => loaded.IsSet, "all rows to be loaded");
        var outdated = ids.Where((_, i) => i % 2 == 1).Take(changes).ToHashSet();
        await QueryAsync(db => db.Tallies.Where(x => outdated.Contains(x.CorrelationId))
            .ExecuteUpdateAsync(x => x.SetProperty(t => t.Count, -1)));
        changed.SetResult();
        await WaitUntilAsync(() => ended.IsSet, "all first commits to end");
        var firstAttempts = attempts.Count;
        again.SetResult();
        var failures = await Task.WhenAll(running);

        Assert.That(failures.Where((_, i) => outdated.Contains(ids[i])),
            Has.All.InstanceOf<DbUpdateConcurrencyException>());
        Assert.That(failures.Where((_, i) => !outdated.Contains(ids[i])), Has.All.Null);
        Assert.That(firstAttempts, Is.InRange(1, 15), "all stale rows are found at once, not 20 one by one");
        var tallies = await QueryAsync(db =>
            db.Tallies.Where(x => ids.Contains(x.CorrelationId)).ToDictionaryAsync(x => x.CorrelationId));
        Assert.That(ids.Select(x => tallies[x].Count),
            Is.EqualTo(ids.Select((x, i) => outdated.Contains(x) ? -1 : i + 1000)));
        Assert.That(ids.Select(x => tallies[x].ReminderToken),
            Is.EqualTo(ids.Select(x => outdated.Contains(x) ? null : (Guid?)x)));
        Assert.That(tallies.Values.Select(x => x.Name), Has.All.EqualTo("it's \"quoted\""));
    }
}
