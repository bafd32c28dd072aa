using System.Collections.Concurrent;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Saga.Tests.Messaging;

/// <summary>A model that knows nothing of orders, written as MassTransit's documentation writes them.</summary>
public sealed class TestDbContext(DbContextOptions<TestDbContext> options) : SagaDbContext(options)
{
    public DbSet<Effect> Effects => Set<Effect>();

    public DbSet<Tally> Tallies => Set<Tally>();

    protected override IEnumerable<ISagaClassMap> Configurations => [new TallyMap(), new ErrandMap()];

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        modelBuilder.Entity<Effect>().Property<string>("Note");
        modelBuilder.AddInboxStateEntity();
        modelBuilder.AddOutboxMessageEntity();
        modelBuilder.AddOutboxStateEntity();
    }
}

/// <summary>Something that a handler did.</summary>
public sealed class Effect
{
    public int Id { get; init; }

    public required string Name { get; init; }
}

/// <summary>A saga that counts.</summary>
public sealed class Tally : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string Name { get; set; } = "";

    public int Count { get; set; }

    public Guid? ReminderToken { get; set; }
}

sealed class TallyMap : SagaClassMap<Tally>
{
    protected override void Configure(EntityTypeBuilder<Tally> entity, ModelBuilder model)
    {
        entity.Property(x => x.CurrentState).HasMaxLength(64);
        entity.Property<uint>("Version").IsRowVersion(); // known to its context only
    }
}

public sealed record Count(Guid Id, string Name);

public sealed record CountByName(string Name);

public sealed record Remind(Guid Id);

public sealed record Reminded(Guid Id);

public sealed record Forget(Guid Id);

public sealed record Finish(Guid Id);

public sealed class TallyMachine : MassTransitStateMachine<Tally>
{
    public TallyMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => Count, x => x.CorrelateById(m => m.Message.Id));
        Event(() => CountByName, x => x.CorrelateBy((saga, context) => saga.Name == context.Message.Name));
        Event(() => Remind, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Forget, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Finish, x => x.CorrelateById(m => m.Message.Id));
        Schedule(() => Reminder, x => x.ReminderToken, s =>
        {
            s.Delay = TimeSpan.FromSeconds(1);
            s.Received = x => x.CorrelateById(m => m.Message.Id);
        });
        Initially(When(Count).Then(x => (x.Saga.Name, x.Saga.Count) = (x.Message.Name, 1)).TransitionTo(Counting));
        During(Counting,
            When(Count).Then(x => x.Saga.Count++),
            When(CountByName).Then(x => x.Saga.Count += 10),
            When(Remind).Schedule(Reminder, x => new Reminded(x.Saga.CorrelationId)),
            When(Forget).Unschedule(Reminder),
            When(Reminder.Received).Then(x => x.Saga.Count += 100),
            When(Finish).Finalize());
        SetCompletedWhenFinalized();
    }

    public State Counting { get; private set; } = null!;
    public Event<Count> Count { get; private set; } = null!;
    public Event<CountByName> CountByName { get; private set; } = null!;
    public Event<Remind> Remind { get; private set; } = null!;
    public Event<Forget> Forget { get; private set; } = null!;
    public Event<Finish> Finish { get; private set; } = null!;
    public Schedule<Tally, Reminded> Reminder { get; private set; } = null!;
}

/// <summary>A saga that can change contexts.</summary>
public sealed class Errand : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public int Count { get; set; }

    public uint Version { get; init; }
}

sealed class ErrandMap : SagaClassMap<Errand>
{
    protected override void Configure(EntityTypeBuilder<Errand> entity, ModelBuilder model) => entity.Property(x => x.Version).IsRowVersion();
}

public sealed record Run(Guid Id);

public sealed record Look(Guid Id);

public sealed record Mend(Guid Id);

/// <summary>Runs when underway; there is something to look at, and to mend, when it is recalled.</summary>
public sealed class ErrandMachine : MassTransitStateMachine<Errand>
{
    public ErrandMachine()
    {
        InstanceState(x => x.CurrentState);
        Event(() => Run, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Look, x => x.CorrelateById(m => m.Message.Id));
        Event(() => Mend, x => x.CorrelateById(m => m.Message.Id));
        During(Underway,
            When(Run).Then(x =>
            {
                x.Saga.Count++;
                Runs.AddOrUpdate(x.Saga.CorrelationId, 1, (_, n) => n + 1);
            }),
            When(Mend).Then(_ => throw new InvalidOperationException("nothing to mend")), // which no endpoint tries again
            Ignore(Look));
        During(Recalled,
            When(Run).Then(x => x.Saga.Count += 10),
            When(Look).Then(x => x.Saga.Count += 100),
            When(Mend).Then(x => x.Saga.Count += 1000));
    }

    /// <summary>How often each has run, tries that were in vain included.</summary>
    public static ConcurrentDictionary<Guid, int> Runs { get; } = new();

    public State Underway { get; private set; } = null!;
    public State Recalled { get; private set; } = null!;
    public Event<Run> Run { get; private set; } = null!;
    public Event<Look> Look { get; private set; } = null!;
    public Event<Mend> Mend { get; private set; } = null!;
}

/// <summary>Does something once: adds an effect and publishes <see cref="Pong" />, in several ways.</summary>
public sealed record Ping(string Name, string Way = "");

public sealed record Pong(string Name);

public sealed class PingConsumer(TestDbContext db, IPublishEndpoint publisher) : IConsumer<Ping>
{
    public async Task Consume(ConsumeContext<Ping> context)
    {
        var ping = context.Message;
        db.Add(new Effect { Name = ping.Name });
        switch (ping.Way)
        {
            case "fail after publishing":
                await context.Publish(new Pong(ping.Name));
                throw new InvalidOperationException("as asked");
            case "save and fail":
                await db.SaveChangesAsync();
                await db.Effects.Where(x => x.Name == ping.Name).ExecuteUpdateAsync(x => x.SetProperty(e => e.Name, "changed"));
                throw new InvalidOperationException("as asked");
            case "update and fail":
                await db.Effects.Where(x => x.Name == ping.Name).ExecuteUpdateAsync(x => x.SetProperty(e => e.Name, "changed"));
                throw new InvalidOperationException("as asked");
            case "update by a query and fail":
                await db.Database.SqlQueryRaw<int>("""update "Effects" set "Name" = 'changed' where "Name" = {0} returning 1 as "Value" """, ping.Name).ToListAsync();
                throw new InvalidOperationException("as asked");
            case "save":
                await db.SaveChangesAsync();
                await publisher.Publish(new Pong(ping.Name));
                break;
            case "by the injected endpoint":
                await publisher.Publish(new Pong(ping.Name));
                break;
            case "with a header":
                await context.Publish(new Pong(ping.Name), x =>
                {
                    x.Headers.Set("colour", "blue");
                    x.TimeToLive = TimeSpan.FromMinutes(1);
                    x.CorrelationId = context.MessageId;
                });
                break;
            default:
                await context.Publish(new Pong(ping.Name));
                break;
        }
    }
}

/// <summary>Remembers what arrived, for tests to wait for.</summary>
public sealed class Arrivals
{
    readonly List<ConsumeContext<Pong>> _all = [];

    public void Add(ConsumeContext<Pong> pong)
    {
        lock (_all)
            _all.Add(pong);
    }

    public ConsumeContext<Pong>[] Of(string name)
    {
        lock (_all)
            return [.. _all.Where(x => x.Message.Name == name)];
    }
}

public sealed class PongConsumer(Arrivals arrivals) : IConsumer<Pong>
{
    public Task Consume(ConsumeContext<Pong> context)
    {
        arrivals.Add(context);
        return Task.CompletedTask;
    }
}

/// <summary>A message that only one test has a consumer for.</summary>
public sealed record Letter(string Name);

public sealed class LetterConsumer : IConsumer<Letter>
{
    public Task Consume(ConsumeContext<Letter> context) => context.Publish(new Pong(context.Message.Name));
}
