using Google.Rpc;
using Grpc.Core;
using Npgsql;
using Operations.V1;
using OrderReason = Orders.V1.OrderReason;
using OrderStatus = Orders.V1.OrderStatus;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

public sealed partial class When_an_operator_mends_what_is_stuck
{
    OrderOperations.OrderOperationsClient OrderOperator => new(System.Orders[0].OperationsChannel);

    [Test]
    public async Task Should_release_the_funds_of_an_order_that_was_lost_once()
    {
        var (account, order) = (await OpenAccountAsync(10), Guid.CreateVersion7());
        await HoldAllFundsAsync(account, order, "Held");
        Assert.That((await ExplainAsync($"{order}")).Advice, Has.One.Contains("ops release-hold"));

        var released = await ReleaseAsync($"{order}");
        Assert.That((released.Code, released.Output), Is.EqualTo((0, "1 released, 0 kept\n")), released.Error);

        var known = await WaitForEndAsync($"{order}");
        Assert.That((known.Status, known.Reason, known.Total, known.AccountId),
            Is.EqualTo((OrderStatus.Cancelled, OrderReason.CancelledByOperator, Money(10), account)));
        await WaitForBalancesAsync(account, available: 10, held: 0, captured: 0);
        Assert.That((await ExplainAsync($"{order}")).Events.Select(x => x.Text),
            Has.One.StartsWith("Release of 10 EUR"));
        var repeated = await ReleaseAsync($"{order}");
        Assert.That((repeated.Code, repeated.Output), Is.EqualTo((1,
            $"0 released, 1 kept\n{order}: the reservation is Released\n")), repeated.Error);
        Assert.That((await AuditTrailAsync(nameof(Operations.ReleaseHolds))).TakeLast(4)
            .Select(x => (x.Target, x.Outcome, x.Count)), Is.EqualTo(new[]
        {
            ($"{order}", "Started", 0L), ($"{order}", "Succeeded", 1L), ($"{order}", "Started", 0L),
            ($"{order}", "Succeeded", 0L),
        }));
        await AuditAsync();
    }

    [Test]
    public async Task Should_release_the_funds_of_an_order_that_has_ended_without_them()
    {
        var (account, other, order) = (await OpenAccountAsync(10), await OpenAccountAsync(0), Guid.CreateVersion7());
        await HoldAllFundsAsync(account, order, "Held");
        await InsertAsync(order, other, "Cancelled", "null");
        var refused = await ReleaseAsync($"{order}");
        Assert.That(refused.Output, Does.Contain("is paid from another account"), refused.Error);

        await ExecuteAsync(System.OrderDatabase,
            $"update orders set account_id = '{account}' where order_id = '{order}'");
        var released = await ReleaseAsync($"{order}");
        Assert.That(released.Output, Does.StartWith("1 released"), released.Error);
        await WaitForBalancesAsync(account, available: 10, held: 0, captured: 0);
        Assert.That((await GetOrderAsync($"{order}")).Status, Is.EqualTo(OrderStatus.Cancelled));
        await AuditAsync();
    }

    [Test]
    public async Task Should_keep_the_funds_of_orders_that_need_them()
    {
        var account = await OpenAccountAsync(100);
        foreach (var queue in new[] { "capture-funds", "order-state" })
            await PauseAsync(queue);
        var reserving = await PlaceOrderAsync(account, 1);
        await WaitForBalancesAsync(account, available: 99, held: 1, captured: 0);
        var kept = await ReleaseAsync(reserving, $"{Guid.NewGuid()}");
        Assert.That(kept.Code, Is.EqualTo(1), kept.Error);
        Assert.That(kept.Output, Does.Contain("0 released, 2 kept")
            .And.Contain($"{reserving}: order {reserving} is RESERVING")
            .And.Contain("Account has no reservation for this order"));

        await ResumeAsync("order-state");
        await AssertConfirmedAsync(reserving);
        Assert.That((await ReleaseAsync(reserving)).Output, Does.Contain($"order {reserving} is CONFIRMED"));
        await ResumeAsync("capture-funds");
        await WaitForBalancesAsync(account, available: 99, held: 0, captured: 1);
        await AuditAsync();
    }

    [Test]
    public async Task Should_keep_the_funds_of_an_order_that_is_inserted_at_this_moment()
    {
        var (account, order) = (await OpenAccountAsync(10), Guid.CreateVersion7());
        await HoldAllFundsAsync(account, order, "Held");
        await using var source = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.OrderDatabase));
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand(Insert(order, account, "Cancelling", "now()"), connection,
            transaction);
        await insert.ExecuteNonQueryAsync();

        Task ReleaseHoldAsync() => OrderOperator.ReleaseHoldAsync(new ReleaseHoldRequest
        {
            OrderId = $"{order}",
            AccountId = account,
            Amount = Money(10),
            Operator = Operator,
            Reason = Reason,
        }).ResponseAsync;

        var release = ReleaseHoldAsync();
        await Wait.UntilAsync(async () => release.IsCompleted || await CountAsync(System.OrderDatabase,
            "select count(*) from pg_locks where not granted") > 0, MaxWait, () => "the release to wait");
        await transaction.CommitAsync();

        var error = await Assert.ThrowsAsync<RpcException>(() => release);
        // The commit was later than lock_timeout: the call is repeated, and finds the order.
        if (error!.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason == "ROW_LOCKED")
            error = await Assert.ThrowsAsync<RpcException>(() => ReleaseHoldAsync());
        Assert.That(error!.StatusCode, Is.EqualTo(StatusCode.FailedPrecondition));
        await WaitForEndAsync($"{order}");
        await AuditAsync();
    }

    Task InsertAsync(Guid order, string account, string state, string resendTime) =>
        ExecuteAsync(System.OrderDatabase, Insert(order, account, state, resendTime));

    static string Insert(Guid order, string account, string state, string resendTime) => $$"""
        insert into orders (order_id, current_state, account_id, items, total, currency, create_time, update_time,
            resend_time)
        values ('{{order}}', '{{state}}', '{{account}}', '[{"Sku": "book", "Quantity": 1, "UnitPrice": 10}]', 10,
            'EUR', now(), now(), {{resendTime}})
        """;

    Task<(int Code, string Output, string Error)> ReleaseAsync(params string[] orders) =>
        RunAsync(["release-hold", .. orders, "--reason", Reason, "--yes"]);

    async Task PauseAsync(string queue)
    {
        await Operations.PauseQueueAsync(new PauseQueueRequest { Name = queue, Operator = Operator, Reason = Reason });
        await WaitForConsumersAsync(0, queue);
    }

    async Task ResumeAsync(string queue) => await Operations.ResumeQueueAsync(
        new ResumeQueueRequest { Name = queue, Operator = Operator, Reason = Reason });
}
