using Accounts.V1;
using Grpc.Core;
using Operations.V1;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Callers;

/// <summary>Two callers of one tenant, who own together what each of them creates, and one of another.</summary>
[TestFixture, Category("E2E")]
public sealed class When_callers_share_an_owner : SystemFixture
{
    const string Tenant = "tenant-1";

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Authentication__OwnerClaim"] = "tenant",
    };

    [Test]
    public async Task Should_record_who_of_them_did_what()
    {
        var issuer = TokenIssuer.Instance;
        using var alice = System.Orders[0].ConnectAs(issuer.Sign("alice", tenant: Tenant));
        using var bob = System.Orders[0].ConnectAs(issuer.Sign("bob", tenant: Tenant));
        using var mallory = System.Orders[0].ConnectAs(issuer.Sign("mallory", tenant: "tenant-2"));
        using var accounts = System.Accounts[0].ConnectAs(issuer.Sign("alice", tenant: Tenant));
        var account = (await new AccountService.AccountServiceClient(accounts)
            .OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" })).AccountId;
        await Accounts.DepositAsync(new DepositRequest { AccountId = account, Amount = Euros.Of(10) });
        string id;
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            id = (await new OrderService.OrderServiceClient(alice)
                .CreateOrderAsync(NewOrder(account, 10))).OrderId;
            Assert.That(() => CancelAsync(mallory, id), ThrowsStatus(StatusCode.NotFound));
            await CancelAsync(bob, id);
            await CancelAsync(alice, id); // it is cancelled already
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }

        await WaitForEndAsync(id);

        Assert.That(await CountAsync(System.OrderDatabase, $"""
            select count(*) from orders where order_id = '{id}' and owner = '{Tenant}' and placed_by = 'alice'
                and cancelled_by = 'bob'
            """), Is.EqualTo(1));
        Assert.That(await CountAsync(System.AccountDatabase, $"""
            select count(*) from accounts join ledger_entries using (account_id) where account_id = '{account}'
                and owner = '{Tenant}' and opened_by = 'alice' and deposited_by = '{BearerCredentials.Subject}'
            """), Is.EqualTo(1), "whoever may deposit to everybody's account leaves a trace");
        var story = await new OrderOperations.OrderOperationsClient(System.Orders[0].OperationsChannel)
            .GetOrderStoryAsync(new GetOrderStoryRequest { OrderId = id });
        Assert.That((story.Order.PlacedBy, story.Order.CancelledBy), Is.EqualTo(("alice", "bob")));
    }

    static Task<Order> CancelAsync(ChannelBase channel, string id) => new OrderService.OrderServiceClient(channel)
        .CancelOrderAsync(new CancelOrderRequest { OrderId = id }).ResponseAsync;
}
