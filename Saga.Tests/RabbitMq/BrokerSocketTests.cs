using System.Net;
using System.Net.Sockets;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture, Category("Unit")]
public sealed class When_the_broker_hangs_up
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    [Test]
    public async Task Should_tell_who_reads_and_keep_nobody_who_writes()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        using var socket = BrokerSocket.Create(AddressFamily.InterNetwork);
        await socket.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)broker.LocalEndpoint).Port);
        var stream = socket.GetStream();
        using (var accepted = await broker.AcceptSocketAsync())
            accepted.LingerState = new LingerOption(true, 0); // it hangs up without a word

        for (var i = 0; i < 3; i++)
            await stream.WriteAsync(new byte[] { 1 }).AsTask().WaitAsync(Patience);
        Assert.That(async () => await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Patience),
            Throws.InstanceOf<IOException>().Or.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Should_tell_nobody_before_somebody_waits_for_it()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        using var socket = BrokerSocket.Create(AddressFamily.InterNetwork);
        await socket.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)broker.LocalEndpoint).Port);
        var stream = socket.GetStream();
        (await broker.AcceptSocketAsync()).Close();
        var read = stream.ReadAsync(new byte[1]).AsTask();
        await Task.Delay(100);
        Assert.That(read.IsCompleted, Is.False, "the client would wait for ever: it has not yet said who is to be told");

        await stream.WriteAsync(new byte[] { 1 });
        Assert.That(await read.WaitAsync(Patience), Is.Zero);
    }

    [Test]
    public async Task Should_not_wait_for_ever_for_its_first_word()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        var factory = new ConnectionFactory
        {
            Uri = new Uri($"amqp://guest:guest@127.0.0.1:{((IPEndPoint)broker.LocalEndpoint).Port}/"),
            AutomaticRecoveryEnabled = false,
            SocketFactory = family => new BrokerSocket(new Socket(family, SocketType.Stream, ProtocolType.Tcp), TimeSpan.FromMilliseconds(200)),
        };
        var connecting = factory.CreateConnectionAsync();
        using var accepted = await broker.AcceptSocketAsync(); // and nothing else
        Assert.That(async () => await connecting.WaitAsync(Patience), Throws.TypeOf<BrokerUnreachableException>());
    }
}
