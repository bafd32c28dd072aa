using System.Net;
using System.Net.Sockets;
using Messaging.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Saga.Tests.RabbitMq;

[TestFixture, Category("Unit")]
public sealed class When_the_broker_closes_a_socket
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);

    [Test]
    public async Task Should_fail_the_reader_and_not_block_writers()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        using var socket = BrokerSocket.Create(AddressFamily.InterNetwork);
        await socket.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)broker.LocalEndpoint).Port);
        var stream = socket.GetStream();
        using (var accepted = await broker.AcceptSocketAsync())
            accepted.LingerState = new LingerOption(true, 0); // closes with a reset

        for (var i = 0; i < 3; i++)
            await stream.WriteAsync(new byte[] { 1 }).AsTask().WaitAsync(MaxWait);
        Assert.That(async () => await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(MaxWait),
            Throws.InstanceOf<IOException>().Or.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Should_report_the_loss_only_after_the_first_write()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        using var socket = BrokerSocket.Create(AddressFamily.InterNetwork);
        await socket.ConnectAsync(IPAddress.Loopback, ((IPEndPoint)broker.LocalEndpoint).Port);
        var stream = socket.GetStream();
        (await broker.AcceptSocketAsync()).Close();
        var read = stream.ReadAsync(new byte[1]).AsTask();
        await Task.Delay(100);
        Assert.That(read.IsCompleted, Is.False,
            "the client would miss the loss: it is not waiting for the first frame yet");

        await stream.WriteAsync(new byte[] { 1 });
        Assert.That(await read.WaitAsync(MaxWait), Is.Zero);
    }

    [Test]
    public async Task Should_stop_waiting_for_a_broker_that_sends_nothing()
    {
        using var broker = new TcpListener(IPAddress.Loopback, 0);
        broker.Start();
        var factory = new ConnectionFactory
        {
            Uri = new Uri($"amqp://guest:guest@127.0.0.1:{((IPEndPoint)broker.LocalEndpoint).Port}/"),
            AutomaticRecoveryEnabled = false,
            SocketFactory = family => new BrokerSocket(
                new Socket(family, SocketType.Stream, ProtocolType.Tcp), TimeSpan.FromMilliseconds(200)),
        };
        var connecting = factory.CreateConnectionAsync();
        using var accepted = await broker.AcceptSocketAsync(); // the broker sends nothing
        Assert.That(async () => await connecting.WaitAsync(MaxWait), Throws.TypeOf<BrokerUnreachableException>());
    }
}
