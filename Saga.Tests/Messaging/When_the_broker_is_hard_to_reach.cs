using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using Local.Host.Servers;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using RabbitMQ.Client;
using Saga.Load.Attack;
using Service.Defaults;

namespace Saga.Tests.Messaging;

[TestFixture, Category("Integration")]
public sealed class When_the_broker_is_hard_to_reach
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Test]
    public async Task Should_see_it_come_back_whatever_the_network_did_to_the_tries_before()
    {
        var servers = await TestServers.GetAsync();
        var random = new Random(1);
        for (var round = 0; round < 10; round++)
        {
            await using var network = new TcpProxy(servers.Rabbit.Host, servers.Rabbit.Port) { Road = Road.Cut };
            var factory = new ConnectionFactory { Uri = new Uri(servers.Rabbit.Amqp("/")), AutomaticRecoveryEnabled = false };
            (factory.HostName, factory.Port) = ("127.0.0.1", network.Port);
            var prepared = Enumerable.Range(0, 20)
                .Select(_ => new BrokerConnection(new Lifetime(), NullLogger<BrokerConnection>.Instance).PrepareAsync(factory)).ToArray();
            for (var i = 0; i < 60; i++)
            {
                network.Road = random.Next(3) switch { 0 => Road.Cut, 1 => Road.NothingBack, _ => Road.Open };
                await Task.Delay(random.Next(1, 15));
            }

            network.Road = Road.Open;
            Assert.That(async () => await Task.WhenAll(prepared).WaitAsync(TimeSpan.FromSeconds(10)), Throws.Nothing, $"round {round}");
        }
    }

    [Test]
    public async Task Should_wait_for_a_login_that_is_refused_until_it_is_allowed()
    {
        var rabbit = (await TestServers.GetAsync()).Rabbit;
        var user = $"late-{Guid.NewGuid():N}";
        var factory = new ConnectionFactory { Uri = new Uri(rabbit.Amqp("/")), UserName = user, Password = user, AutomaticRecoveryEnabled = false };
        var refused = new Said("ACCESS_REFUSED");
        var prepared = new BrokerConnection(new Lifetime(), refused).PrepareAsync(factory);
        await Task.WhenAny(refused.Heard, prepared).WaitAsync(Patience);
        Assert.That(prepared.IsCompleted, Is.False, "what is refused here ends MassTransit's endpoints for good");

        await AllowAsync(rabbit, user);
        try
        {
            Assert.That(async () => await prepared.WaitAsync(Patience), Throws.Nothing);
        }
        finally
        {
            await AdministerAsync(rabbit, HttpMethod.Delete, $"api/users/{user}", null);
        }
    }

    static async Task AllowAsync(RabbitServer rabbit, string user)
    {
        await AdministerAsync(rabbit, HttpMethod.Put, $"api/users/{user}", new { password = user, tags = "" });
        await AdministerAsync(rabbit, HttpMethod.Put, $"api/permissions/%2F/{user}", new { configure = "", write = "", read = "" });
    }

    static async Task AdministerAsync(RabbitServer rabbit, HttpMethod method, string path, object? body)
    {
        using var http = new HttpClient { BaseAddress = rabbit.Management };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{rabbit.User}:{rabbit.Password}")));
        using var request = new HttpRequestMessage(method, path) { Content = body == null ? null : JsonContent.Create(body) };
        using var answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }

    sealed class Said(string text) : ILogger<BrokerConnection>
    {
        readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Heard => _heard.Task;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).Contains(text, StringComparison.Ordinal))
                _heard.TrySetResult();
        }
    }

    sealed class Lifetime : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => default;

        public CancellationToken ApplicationStopping => default;

        public CancellationToken ApplicationStopped => default;

        public void StopApplication()
        {
        }
    }
}
