using System.Diagnostics;
using Accounts.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture(50_000, Category = "Long")]
[TestFixture(2_000_000, Category = "Long")]
public sealed class When_lists_are_long(int rows) : SystemFixture
{
    /// <summary>SQL for a UUID of version 7 with the column time.</summary>
    const string OrderId = """
        encode(substring(int8send((extract(epoch from time) * 1000)::bigint) from 3)
            || decode('7000', 'hex') || substring(uuid_send(gen_random_uuid()) from 9), 'hex')::uuid
        """;

    const string Administrator = "an administrator";

    static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(50);

    [Test]
    public async Task Should_find_the_orders_of_every_filter_by_an_index()
    {
        // Most orders are of one account, half of them from somebody who does not own it; almost none is cancelled.
        var (account, other, none) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.OrderDatabase, $"""
            insert into orders (order_id, current_state, account_id, owner, items, total, currency, create_time,
                update_time)
            select {OrderId},
                case when i = 7 then 'Cancelled' else 'Rejected' end,
                case when i % 1000 = 0 then '{other}'::uuid else '{account}'::uuid end,
                case when i % 1000 = 0 then 'bob' when i % 1000 = 1 then null
                    when i % 2 = 0 then 'alice' else 'mallory' end,
                '[]', 1, 'EUR', time, time
            from generate_series(1, {rows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.OrderDatabase, "vacuum analyze orders");
        var early = Timestamp.FromDateTime(DateTime.UtcNow.AddYears(-1));
        var middle = Timestamp.FromDateTime(DateTime.UtcNow.AddSeconds(-rows / 2));
        await AssertFastAsync<ListOrdersRequest>(System.Orders[0], Administrator,
        [
            (50, new()),
            (0, new() { Status = OrderStatus.Pending }),
            (0, new() { Status = OrderStatus.Cancelling }),
            (1, new() { Status = OrderStatus.Cancelled }),
            (50, new() { Status = OrderStatus.Rejected }),
            (50, new() { AccountId = $"{account}" }),
            (50, new() { AccountId = $"{other}" }),
            (0, new() { AccountId = $"{none}" }),
            (0, new() { AccountId = $"{account}", Status = OrderStatus.Pending }),
            (0, new() { AccountId = $"{account}", Status = OrderStatus.Confirmed }),
            (1, new() { AccountId = $"{account}", Status = OrderStatus.Cancelled }),
            (0, new() { AccountId = $"{other}", Status = OrderStatus.Cancelled }),
            (50, new() { AccountId = $"{account}", StartTime = middle }),
            (50, new() { EndTime = middle }),
            (0, new() { EndTime = early }),
            (0, new() { AccountId = $"{account}", EndTime = early }),
            (0, new() { Status = OrderStatus.Rejected, EndTime = early }),
            (0, new() { Status = OrderStatus.Cancelled, EndTime = middle }),
        ], ListAsync);
        foreach (var (name, cancelled) in ((string, int)[])[("alice", 0), ("mallory", 1)])
            await AssertFastAsync<ListOrdersRequest>(System.Orders[0], name,
            [
                (50, new()),
                (50, new() { Status = OrderStatus.Rejected }),
                (cancelled, new() { Status = OrderStatus.Cancelled }),
                (50, new() { AccountId = $"{account}" }),
                (50, new() { AccountId = $"{account}", StartTime = middle }),
                (0, new() { AccountId = $"{account}", EndTime = early }),
                (50, new() { AccountId = $"{account}", Status = OrderStatus.Rejected }),
                (cancelled, new() { AccountId = $"{account}", Status = OrderStatus.Cancelled }),
                (0, new() { AccountId = $"{other}" }),
            ], ListAsync);
        await AssertFastAsync<ListOrdersRequest>(System.Orders[0], "bob",
        [
            (50, new()),
            (50, new() { AccountId = $"{other}" }),
            (0, new() { AccountId = $"{account}" }),
            (0, new() { AccountId = $"{account}", Status = OrderStatus.Rejected }),
        ], ListAsync);
        await AssertFastAsync<ListOrdersRequest>(System.Orders[0], "nobody",
        [
            (0, new()), (0, new() { AccountId = $"{account}" }), (0, new() { Status = OrderStatus.Rejected }),
        ], ListAsync);

        static async Task<int> ListAsync(GrpcChannel caller, ListOrdersRequest request) =>
            (await new OrderService.OrderServiceClient(caller).ListOrdersAsync(request)).Orders.Count;
    }

    [Test]
    public async Task Should_find_the_reservations_of_every_filter_by_an_index()
    {
        // Somebody who does not own it has tried half of the reservations of the first account, and all of those of the
        // victim. Almost none is released; many of fifty accounts are captured.
        var (account, victim, other, none) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into accounts (account_id, currency, available, held, captured, create_time, update_time, owner)
            select id, 'EUR', 0, 0, 0, now(), now(), owner
            from (values ('{account}'::uuid, 'alice'), ('{victim}', 'vic'), ('{other}', 'bob')) as a (id, owner)
            union all
            select md5('{none}' || n)::uuid, 'EUR', 0, 0, 0, now(), now(), 'carol' from generate_series(0, 49) as n
            """);
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into reservations (order_id, account_id, amount, currency, status, reason, create_time, update_time)
            select {OrderId},
                case when i % 1000 = 0 then '{other}'::uuid when i % 10 = 2 then md5('{none}' || i / 10 % 50)::uuid
                    when i % 4 = 1 then '{victim}'::uuid else '{account}'::uuid end,
                1, 'EUR',
                case when i = 7 then 'Released' when i % 20 = 2 then 'Captured' else 'Rejected' end,
                case when i = 7 or i % 20 = 2 then null
                    when i % 2 = 0 then 'InsufficientFunds' else 'AccountNotFound' end,
                time, time
            from generate_series(1, {rows}) as i, lateral (select now() - i * interval '1 s' as time) as times
            """);
        await ExecuteAsync(System.AccountDatabase, "vacuum analyze reservations");
        await ExecuteAsync(System.AccountDatabase, "vacuum analyze accounts");
        await AssertFastAsync<ListReservationsRequest>(System.Accounts[0], Administrator,
        [
            (50, new()),
            (0, new() { Status = ReservationStatus.Held }),
            (1, new() { Status = ReservationStatus.Released }),
            (50, new() { Status = ReservationStatus.Rejected }),
            (50, new() { AccountId = $"{account}" }),
            (50, new() { AccountId = $"{victim}" }),
            (50, new() { AccountId = $"{other}" }),
            (0, new() { AccountId = $"{none}" }),
            (0, new() { AccountId = $"{account}", Status = ReservationStatus.Held }),
            (1, new() { AccountId = $"{account}", Status = ReservationStatus.Released }),
            (0, new() { AccountId = $"{other}", Status = ReservationStatus.Released }),
            (50, new() { AccountId = $"{other}", Status = ReservationStatus.Rejected }),
            (50, new() { AccountId = $"{victim}", Status = ReservationStatus.Rejected }),
            (0, new() { AccountId = $"{victim}", Status = ReservationStatus.Captured }),
        ], ListAsync);
        await AssertFastAsync<ListReservationsRequest>(System.Accounts[0], "alice",
        [
            (50, new()),
            (50, new() { Status = ReservationStatus.Rejected }),
            (1, new() { Status = ReservationStatus.Released }),
            (0, new() { Status = ReservationStatus.Held }),
            (50, new() { AccountId = $"{account}" }),
            (1, new() { AccountId = $"{account}", Status = ReservationStatus.Released }),
            (0, new() { AccountId = $"{other}" }),
        ], ListAsync);
        await AssertFastAsync<ListReservationsRequest>(System.Accounts[0], "vic",
        [
            (0, new()), (0, new() { Status = ReservationStatus.Rejected }), (0, new() { AccountId = $"{victim}" }),
            (0, new() { AccountId = $"{victim}", Status = ReservationStatus.Rejected }),
        ], ListAsync);
        await AssertFastAsync<ListReservationsRequest>(System.Accounts[0], "carol",
        [
            (50, new()), (50, new() { Status = ReservationStatus.Rejected }),
            (50, new() { Status = ReservationStatus.Captured }), (0, new() { Status = ReservationStatus.Held }),
        ], ListAsync);
        await AssertFastAsync<ListReservationsRequest>(System.Accounts[0], "nobody",
            [(0, new()), (0, new() { AccountId = $"{account}" })], ListAsync);

        static async Task<int> ListAsync(GrpcChannel caller, ListReservationsRequest request) =>
            (await new AccountService.AccountServiceClient(caller).ListReservationsAsync(request)).Reservations.Count;
    }

    /// <summary>Asserts the number of results of each request, and the time of the fastest of five calls.</summary>
    static async Task AssertFastAsync<TRequest>(ServiceReplica service, string caller,
        IEnumerable<(int Count, TRequest Request)> requests, Func<GrpcChannel, TRequest, Task<int>> list)
    {
        using var channel = caller == Administrator ? null : service.ConnectAs(TokenIssuer.Instance.Sign(caller));
        var slow = new List<string>();
        foreach (var (count, request) in requests)
        {
            var (fastest, listed) = (TimeSpan.MaxValue, 0);
            for (var i = 0; i < 5; i++)
            {
                var started = Stopwatch.StartNew();
                listed = await list(channel ?? service.Channel, request);
                fastest = started.Elapsed < fastest ? started.Elapsed : fastest;
            }

            Assert.That(listed, Is.EqualTo(count), $"{caller} {request}");
            if (fastest >= MaxTime)
                slow.Add($"{caller} {request}: {fastest.TotalMilliseconds:f0} ms");
        }

        Assert.That(slow, Is.Empty);
    }
}
