using MassTransit;
using MassTransit.DependencyInjection;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Saga.Servers;
using Saga.Tests.Support;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging;

/// <summary>A program with two buses, for example on two virtual hosts, and one database.</summary>
[TestFixture(false), TestFixture(true), Category("Integration")]
public sealed class When_a_program_has_a_second_bus(bool grouped) : MessagingFixture(grouped)
{
    string _database = "";
    IHost _host = null!;

    string SecondVirtualHost => $"{Name}_second";

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _database = await Servers.Postgres.CreateDatabaseAsync(SecondVirtualHost);
        await Servers.Rabbit.CreateVirtualHostAsync(SecondVirtualHost);
        await using (var db = new TestDbContext(Options()))
            await db.Database.EnsureCreatedAsync();

        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddDbContext<TestDbContext>(o => o.UseNpgsql(_database));
        builder.Services.AddSingleton(Received);
        if (Grouped)
            builder.Services.AddRabbitTransport<TestDbContext>();
        builder.Services.AddMassTransit(x => Configure(x, Name));
        builder.Services.AddMassTransit<ISecondBus>(x =>
        {
            x.AddConsumer<PingConsumer>();
            x.AddConsumer<PongConsumer>();
            Configure(x, SecondVirtualHost);
        });
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(o => o.WaitUntilStarted = true);
        _host = builder.Build();
        await _host.StartAsync();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
        await Servers.Rabbit.DeleteVirtualHostAsync(SecondVirtualHost);
        await Servers.Postgres.DropDatabaseAsync(SecondVirtualHost);
    }

    [Test]
    public async Task Should_send_what_its_consumers_publish_by_the_second_bus()
    {
        var name = Unique("consumer");
        await _host.Services.GetRequiredService<ISecondBus>().Publish(new Ping(name, "publish with a header"));
        await WaitForPongAsync(name);
        name = Unique("consumer");
        await _host.Services.GetRequiredService<ISecondBus>().Publish(new Ping(name));
        await WaitForPongAsync(name);
    }

    [Test]
    public async Task Should_send_what_is_published_outside_consumers_by_the_second_bus()
    {
        var name = Unique("rpc");
        await InScopeAsync(_host, async (db, scope) =>
        {
            await scope.GetRequiredService<Bind<ISecondBus, IPublishEndpoint>>().Value.Publish(new Pong(name));
            await Task.Delay(300);
            Assert.That(Received.Named(name), Is.Empty, "nothing is sent before the commit");
            await db.SaveChangesAsync();
        });
        await WaitForPongAsync(name);
    }

    void Configure(IBusRegistrationConfigurator bus, string virtualHost)
    {
        bus.DisableUsageTelemetry();
        bus.AddEntityFrameworkOutbox<TestDbContext>(o =>
        {
            o.UsePostgres();
            o.UseBusOutbox();
            o.GroupCommits = Grouped;
            if (Grouped)
                o.IsolationLevel = System.Data.IsolationLevel.ReadCommitted;
        });
        bus.AddConfigureEndpointsCallback((context, _, endpoint) =>
            endpoint.UseEntityFrameworkOutbox<TestDbContext>(context));
        bus.UsingRabbitMq((context, rabbit) =>
        {
            rabbit.Connect(Servers.Rabbit, virtualHost);
            rabbit.ConfigureEndpoints(context);
        });
    }

    DbContextOptions<TestDbContext> Options() =>
        new DbContextOptionsBuilder<TestDbContext>().UseNpgsql(_database).Options;

    public interface ISecondBus : IBus;
}
