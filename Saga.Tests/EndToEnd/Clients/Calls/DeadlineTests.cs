using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Npgsql;
using Orders.V1;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_a_deadline_passes : SystemFixture
{
    [Test]
    public async Task Should_end_the_call_with_details()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var order = await PlaceOrderAsync(account, 1);
            await using var database = new NpgsqlConnection(System.Servers.Postgres.Admin(System.OrderDatabase));
            await database.OpenAsync();
            await using var transaction = await database.BeginTransactionAsync();
            await using var locked = new NpgsqlCommand(
                $"select 1 from orders where order_id = '{order}' for update", database);
            await locked.ExecuteNonQueryAsync();

            using var response = await CallAsync(
                "CancelOrder", new CancelOrderRequest { OrderId = order }, timeout: "500m");
            AssertDetails(RawCall.ReadError(response.Headers));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }
    }

    [Test]
    public async Task Should_end_a_stream_with_details()
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var order = await PlaceOrderAsync(account, 1);
            using var response = await CallAsync(
                "WatchOrder", new WatchOrderRequest { OrderId = order }, timeout: "5S");
            Assert.That((await response.Content.ReadAsByteArrayAsync()).Length, Is.Positive, "the pending order");
            AssertDetails(RawCall.ReadError(response.TrailingHeaders));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }
    }

    Task<HttpResponseMessage> CallAsync(string method, IMessage request, string timeout) => RawCall.SendAsync(
        System.Orders[0].GrpcAddress, $"/orders.v1.OrderService/{method}", RawCall.Frame(request.ToByteArray()),
        ("grpc-timeout", timeout));

    static void AssertDetails((int Code, Google.Rpc.Status Details) error)
    {
        Assert.That(error.Code, Is.EqualTo((int)StatusCode.DeadlineExceeded));
        Assert.That(error.Details.Code, Is.EqualTo(error.Code));
        Assert.That(error.Details.GetDetail<ErrorInfo>()!.Reason, Is.EqualTo("DEADLINE_PASSED"));
    }
}
