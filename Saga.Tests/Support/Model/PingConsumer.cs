using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Saga.Tests.Support.Model;

/// <summary>Asks <see cref="PingConsumer" /> for an <see cref="Effect" /> and a <see cref="Pong" />.</summary>
/// <param name="Name">The name of both.</param>
/// <param name="Behavior">How the consumer does it, or how it fails.</param>
public sealed record Ping(string Name, string Behavior = "");

public sealed class PingConsumer(TestDbContext db, IPublishEndpoint publisher) : IConsumer<Ping>
{
    public async Task Consume(ConsumeContext<Ping> context)
    {
        var ping = context.Message;
        db.Add(new Effect { Name = ping.Name });
        switch (ping.Behavior)
        {
            case "publish and fail":
                await context.Publish(new Pong(ping.Name));
                throw new InvalidOperationException("thrown by the test");
            case "save and fail":
                await db.SaveChangesAsync();
                await RenameEffectsAsync(ping.Name);
                throw new InvalidOperationException("thrown by the test");
            case "update and fail":
                await RenameEffectsAsync(ping.Name);
                throw new InvalidOperationException("thrown by the test");
            case "update by a query and fail":
                await db.Database.SqlQueryRaw<int>("""
                    update "Effects" set "Name" = 'changed' where "Name" = {0} returning 1 as "Value"
                    """, ping.Name).ToListAsync();
                throw new InvalidOperationException("thrown by the test");
            case "save":
                await db.SaveChangesAsync();
                await publisher.Publish(new Pong(ping.Name));
                break;
            case "publish by the injected endpoint":
                await publisher.Publish(new Pong(ping.Name));
                break;
            case "publish with a header":
                await context.Publish(new Pong(ping.Name), x =>
                {
                    x.Headers.Set("color", "blue");
                    x.TimeToLive = TimeSpan.FromMinutes(1);
                    x.CorrelationId = context.MessageId;
                });
                break;
            default:
                await context.Publish(new Pong(ping.Name));
                break;
        }
    }

    Task RenameEffectsAsync(string name) => db.Effects.Where(x => x.Name == name)
        .ExecuteUpdateAsync(x => x.SetProperty(e => e.Name, "changed"));
}
