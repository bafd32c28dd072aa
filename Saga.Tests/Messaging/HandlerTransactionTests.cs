using System.Globalization;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>What a handler does to the database by itself commits with its message, or is refused.</summary>
[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_handler_uses_the_database_itself(bool grouped) : MessagingFixture(grouped)
{
    const string Counter = "counter";

    [TestCase("commits a transaction")]
    [TestCase("commits the current transaction")]
    [TestCase("disposes its transaction")]
    public async Task Should_refuse_the_end_of_a_transaction(string behavior)
    {
        var name = await ConsumeAsync(behavior);
        Assert.That(await CountEffectsAsync(name), Is.Zero);
        Assert.That(Received.Named(name), Is.Empty);
        Assert.That(Log.Last(200), Has.Some.Contains("must not commit").Or.Some.Contains("already in a transaction"));
    }

    [Test]
    public async Task Should_commit_what_its_own_commands_do_in_its_transaction()
    {
        var name = await ConsumeAsync("uses the connection in a transaction");
        Assert.That(await CountEffectsAsync(name), Is.EqualTo(1));
        Assert.That(Received.Named(name), Has.Length.EqualTo(1));
    }

    [TestCase("locks by a query")]
    [TestCase("locks by a composed query")]
    public async Task Should_keep_the_locks_of_its_queries(string behavior)
    {
        await QueryAsync(db => db.Effects.Where(x => x.Name == Counter).ExecuteDeleteAsync());
        await QueryAsync(db =>
        {
            db.Add(new Effect { Name = Counter });
            return db.SaveChangesAsync();
        });
        var replica = await StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ =>
            replica.Services.GetRequiredService<IBus>().Publish(new UseDatabase(Counter, behavior))));
        await WaitUntilAsync(() => QueryAsync(db => db.Effects.AnyAsync(x => EF.Property<string>(x, "Note") == "20")),
            "20 increments");
    }

    Task<IHost> StartAsync() => StartReplicaAsync(configure: x =>
        x.AddConsumer<UseDatabaseConsumer>());

    /// <summary>Has one message consumed, or moved to the error queue, and returns the name of its effect.</summary>
    async Task<string> ConsumeAsync(string behavior)
    {
        var replica = await StartAsync();
        var (name, faults) = (Unique("effect"), CountFaults());
        await replica.Services.GetRequiredService<IBus>().Publish(new UseDatabase(name, behavior));
        await WaitUntilAsync(() => Received.Named(name).Length > 0 || CountFaults() > faults,
            "the message to be consumed");
        return name;

        int CountFaults() => Log.Last(int.MaxValue).Count(x => x.Contains("R-FAULT", StringComparison.Ordinal));
    }

    public sealed record UseDatabase(string Name, string Behavior);

    public sealed class UseDatabaseConsumer(TestDbContext db) : IConsumer<UseDatabase>
    {
        public async Task Consume(ConsumeContext<UseDatabase> context)
        {
            var (name, behavior) = (context.Message.Name, context.Message.Behavior);
            switch (behavior)
            {
                case "commits a transaction":
                    await using (var transaction = await db.Database.BeginTransactionAsync())
                    {
                        await InsertAsync(name);
                        await transaction.CommitAsync();
                    }

                    break;
                case "commits the current transaction":
                    db.Add(new Effect { Name = name });
                    await db.SaveChangesAsync();
                    await db.Database.CommitTransactionAsync();
                    break;
                case "disposes its transaction":
                    await using (await db.Database.BeginTransactionAsync())
                    {
                        db.Add(new Effect { Name = name });
                        await db.SaveChangesAsync();
                    }

                    break;
                case "uses the connection in a transaction":
                    if (db.Database.CurrentTransaction == null)
                        await db.Database.BeginTransactionAsync();
                    await InsertAsync(name);
                    break;
                case "locks by a query":
                    Increment((await db.Effects.FromSqlRaw("""
                        select * from "Effects" where "Name" = {0} for update
                        """, name).ToListAsync())[0]);
                    break;
                case "locks by a composed query":
                    Increment(await db.Effects.FromSqlRaw("""
                        select * from "Effects" for update
                        """).Where(x => x.Name == name).SingleAsync());
                    break;
            }

            await context.Publish(new Pong(name));
        }

        /// <summary>As Dapper does: EF Core does not see the command.</summary>
        async Task InsertAsync(string name)
        {
            await using var command = new NpgsqlCommand("""
                insert into "Effects" ("Id", "Name") values (gen_random_uuid(), $1)
                """, (NpgsqlConnection)db.Database.GetDbConnection(),
                (NpgsqlTransaction?)db.Database.CurrentTransaction?.GetDbTransaction());
            command.Parameters.Add(new() { Value = name });
            await command.ExecuteNonQueryAsync();
        }

        void Increment(Effect effect)
        {
            var note = db.Entry(effect).Property<string>("Note");
            note.CurrentValue = $"{int.Parse(note.CurrentValue ?? "0", CultureInfo.InvariantCulture) + 1}";
        }
    }
}
