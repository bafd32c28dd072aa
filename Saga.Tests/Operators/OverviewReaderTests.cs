using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Operations;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_nothing_answers_an_overview
{
    static readonly Uri Nowhere = new("http://127.0.0.1:1");

    [Test]
    public async Task Should_name_what_is_missing()
    {
        var container = new ServiceCollection().AddDbContext<OperationsDbContext>(x =>
            x.UseNpgsql("Host=127.0.0.1;Port=1;Database=x;Username=x;Password=x"));
        container.AddOptions<BrokerOptions>().Configure(x => x.Address = "amqp://x:x@127.0.0.1:1/x");
        await using var provider = container.BuildServiceProvider();
        using var services = new ServiceClients(Options.Create(
            new ServiceOptions { Order = Nowhere, Account = Nowhere }));
        using var http = new HttpClient();
        var broker = new Broker(http, provider.GetRequiredService<IOptionsMonitor<BrokerOptions>>(),
            Options.Create(new ManagementOptions { Management = Nowhere }));

        var visited = new VisitedMessages();
        var queues = new QueueList(broker, services, visited);
        var overview = await new OverviewReader(services, queues, broker,
            new ReconciliationStore(provider.GetRequiredService<IServiceScopeFactory>(), TimeProvider.System),
            TimeProvider.System).ReadAsync(default);

        Assert.That(overview.Missing.Select(x => x.Source),
            Is.EqualTo(new[] { "Order", "Account", "RabbitMQ", "the audit database" }));
        Assert.That(overview.Missing.Select(x => x.Error), Has.All.Not.Empty);
        Assert.That((overview.Orders, overview.Holds, overview.Broker, overview.HasMismatches),
            Is.EqualTo(((object?)null, (object?)null, (object?)null, false)));

        var letters = new DeadLetterList(new DeadLetterQueues(broker, visited), queues, services);
        Assert.That((await letters.ReadAsync(new(), default)).Missing, Has.Count.EqualTo(3));
        Assert.That((await new StuckList(services).ReadAsync(new(), default)).Missing, Has.Count.EqualTo(2));
        var story = await new Explainer(services, letters, queues, TimeProvider.System)
            .ExplainAsync($"{Guid.NewGuid()}", default);
        Assert.That(story.Missing, Has.Count.EqualTo(3));
        Assert.That(story.Situation, Is.EqualTo("Order does not answer; Account does not answer."));
    }
}
