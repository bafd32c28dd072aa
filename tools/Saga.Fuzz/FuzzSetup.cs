using Accounts.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Fuzz;

/// <summary>Makes accounts and orders that the calls are about, and pages that they can continue.</summary>
sealed class FuzzSetup(OrderSystem system, FuzzCallers callers)
{
    const int AccountsEach = 8, OrdersEach = 6;
    const long Funds = 20_000; // enough for most orders, not for all
    const int SmallPage = 1;

    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    /// <summary>Makes all of it.</summary>
    /// <param name="random">Makes the ids of the accounts.</param>
    public async Task<KnownIds> RunAsync(Random random)
    {
        var ids = new KnownIds(random);
        foreach (var owner in FuzzCallers.Owners)
        {
            using var order = system.Orders[0].ConnectAs(callers.TokenOf(owner));
            using var account = system.Accounts[0].ConnectAs(callers.TokenOf(owner));
            var accounts = await OpenAsync(new AccountService.AccountServiceClient(account), random);
            accounts.ForEach(x => ids.AddAccount(owner, x));
            foreach (var id in await PlaceAsync(new OrderService.OrderServiceClient(order), accounts))
                ids.AddOrder(owner, id);
            foreach (var method in FuzzMethod.All.Where(x => HasPages(x)))
                ids.AddPage(owner, method.Name, await NextPageAsync(
                    method, (method.IsOfOrder ? order : account).CreateCallInvoker(), accounts[0]));
        }

        return ids;
    }

    static async Task<List<string>> OpenAsync(AccountService.AccountServiceClient client, Random random)
    {
        var ids = new List<string>();
        for (var i = 0; i < AccountsEach; i++)
        {
            var id = KnownIds.NewId(random);
            await client.OpenAccountAsync(new OpenAccountRequest { AccountId = id, CurrencyCode = "EUR" });
            await client.DepositAsync(new DepositRequest { AccountId = id, Amount = Euros.Of(Funds) });
            ids.Add(id);
        }

        return ids;
    }

    static async Task<List<string>> PlaceAsync(OrderService.OrderServiceClient client, List<string> accounts)
    {
        var ids = new List<string>();
        for (var i = 0; i < OrdersEach; i++)
        {
            var item = new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(1) };
            var request = new CreateOrderRequest { AccountId = accounts[i / 3], Items = { item } };
            ids.Add((await client.CreateOrderAsync(request)).OrderId);
        }

        foreach (var id in ids)
            await Wait.UntilAsync(async () =>
                (await client.GetOrderAsync(new GetOrderRequest { OrderId = id })).Status.IsTerminal(), MaxWait,
                () => $"order {id} to be terminal");
        return ids;
    }

    static bool HasPages(FuzzMethod method) => method.Descriptor.InputType.FindFieldByName("page_token") != null;

    /// <summary>The request for the second page of a list.</summary>
    static async Task<IMessage> NextPageAsync(FuzzMethod method, CallInvoker invoker, string accountId)
    {
        var type = method.Descriptor.InputType;
        var request = FuzzMethod.New(type);
        type.FindFieldByName("page_size").Accessor.SetValue(request, SmallPage);
        type.FindFieldByName("account_id")?.Accessor.SetValue(request, accountId);
        var call = new Method<IMessage, IMessage>(MethodType.Unary, method.Descriptor.Service.FullName, method.Name,
            Marshallers.Create<IMessage>(x => x.ToByteArray(), x => type.Parser.ParseFrom(x)),
            Marshallers.Create<IMessage>(x => x.ToByteArray(), x => method.Descriptor.OutputType.Parser.ParseFrom(x)));
        var response = await invoker.AsyncUnaryCall(call, null, default, request);
        var token = (string)method.Descriptor.OutputType.FindFieldByName("next_page_token").Accessor.GetValue(response);
        type.FindFieldByName("page_token").Accessor.SetValue(request, token);
        return request;
    }
}
