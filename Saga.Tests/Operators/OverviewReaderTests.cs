using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Operations;
using Operations.V1;
using Service.Defaults;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_nothing_answers_operators
{
    static readonly Uri Nowhere = new("http://127.0.0.1:1");

    readonly HttpClient _http = new();
    readonly ServiceClients _services;

    public When_nothing_answers_operators()
    {
        var options = Options.Create(new ServiceOptions { Order = Nowhere, Account = Nowhere });
        _services = new ServiceClients(options, new ServiceToken(_http, new IssuerKeys(null!), options,
            Options.Create(new CallerOptions { Enabled = false }), TimeProvider.System),
            new ServiceCertificate(options, TimeProvider.System, NullLogger<TlsFiles>.Instance));
    }

    [OneTimeTearDown]
    public void Close()
    {
        _services.Dispose();
        _http.Dispose();
    }

    [Test]
    public async Task Should_name_what_is_missing_in_the_overview()
    {
        var container = new ServiceCollection().AddDbContext<OperationsDbContext>(x =>
            x.UseNpgsql("Host=127.0.0.1;Port=1;Database=x;Username=x;Password=x"));
        container.AddOptions<BrokerOptions>().Configure(x => x.Address = "amqp://x:x@127.0.0.1:1/x");
        await using var provider = container.BuildServiceProvider();
        using var http = new HttpClient();
        var broker = new Broker(http, provider.GetRequiredService<IOptionsMonitor<BrokerOptions>>(),
            Options.Create(new ManagementOptions { Management = Nowhere }));

        var visited = new VisitedMessages();
        var queues = new QueueList(broker, _services, visited);
        var overview = await new OverviewReader(_services, queues, broker,
            new ReconciliationStore(provider.GetRequiredService<IServiceScopeFactory>(), TimeProvider.System),
            TimeProvider.System).ReadAsync(default);

        Assert.That(overview.Missing.Select(x => x.Source),
            Is.EqualTo(new[] { "Order", "Account", "RabbitMQ", "the audit database" }));
        Assert.That(overview.Missing.Select(x => x.Error), Has.All.Not.Empty);
        Assert.That((overview.Orders, overview.Holds, overview.Broker, overview.HasMismatches),
            Is.EqualTo(((object?)null, (object?)null, (object?)null, false)));

        var letters = new DeadLetterList(new DeadLetterQueues(broker, visited), queues, _services);
        Assert.That((await letters.ReadAsync(new(), default)).Missing, Has.Count.EqualTo(3));
        var story = await new Explainer(_services, letters, queues, TimeProvider.System)
            .ExplainAsync($"{Guid.NewGuid()}", default);
        Assert.That(story.Missing, Has.Count.EqualTo(3));
        Assert.That(story.Situation, Is.EqualTo("Order does not answer; Account does not answer."));
    }

    [Test]
    public async Task Should_name_what_is_missing_among_what_is_stuck()
    {
        var stuck = await new StuckList(_services).ReadAsync(new ListStuckRequest(), default);
        Assert.That(stuck.Missing.Select(x => x.Source), Is.EqualTo(new[] { "Order", "Account" }));
        Assert.That(stuck.Missing.Select(x => x.Error), Has.All.Contains("do not answer"));
    }
}
