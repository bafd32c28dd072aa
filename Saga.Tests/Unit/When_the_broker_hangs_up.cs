using System.Net;
using System.Net.Sockets;
using Service.Defaults;

namespace Saga.Tests.Unit;

[TestFixture]
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
}
