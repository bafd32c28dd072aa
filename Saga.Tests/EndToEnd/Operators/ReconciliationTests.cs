using Operations.V1;
using Saga.Services;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

[TestFixture, Category("E2E")]
public sealed class When_both_services_are_compared : OperatorFixture
{
    [Test]
    public async Task Should_find_what_does_not_match_and_nothing_else_until_it_is_mended()
    {
        var account = await OpenAccountAsync(1000);
        var orders = (await PlaceOrdersAsync(40, account)).ToList();
        await AssertConfirmedAsync(orders);
        var rejected = await PlaceOrderAsync(await OpenAccountAsync(0), 1);
        await WaitForEndAsync(rejected);
        await WaitForBalancesAsync(account, available: 960, held: 0, captured: 40);
        var orphan = Guid.CreateVersion7();
        await HoldAllFundsAsync(await OpenAccountAsync(10), orphan, "Held");
        var planted = new Dictionary<string, string>
        {
            [$"{orphan}"] = "HoldWithoutLiveOrder",
            [orders[0]] = "ConfirmedNotCaptured",
            [orders[1]] = "ConfirmedWithoutFunds",
            [orders[2]] = "AmountDiffers",
            [orders[3]] = "AccountDiffers",
            [orders[4]] = "OrderWithoutReservation",
            [orders[5]] = "CapturedWithoutConfirmed",
            [orders[6]] = "EntriesDoNotAddUp",
        };
        await ReservationAsync(orders[0], "status = 'Held'");
        await ReservationAsync(orders[1], "status = 'Released'");
        await ReservationAsync(orders[2], "amount = 2");
        await ReservationAsync(orders[3], $"account_id = '{Guid.NewGuid()}'");
        await ExecuteAsync(System.AccountDatabase, $"""
            create table lost as select * from reservations where order_id = '{orders[4]}';
            delete from reservations where order_id = '{orders[4]}';
            """);
        await OrderAsync(orders[5], "Cancelled");
        await ExecuteAsync(System.AccountDatabase, $"""
            insert into ledger_entries
                (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
            select account_id, order_id, 'Release', 1, available_after, held_after, captured_after, now()
            from ledger_entries where order_id = '{orders[6]}' and kind = 'Capture'
            """);
        var emptied = await OpenAccountAsync(5);
        await ExecuteAsync(System.AccountDatabase, $"update accounts set available = 4 where account_id = '{emptied}'");

        Reconciliation found = new();
        await Wait.UntilAsync(async () =>
        {
            found = await ReadAsync();
            return planted.All(x => found.Mismatches.Any(y => (y.SubjectId, y.Kind) == (x.Key, x.Value)))
                && found.Mismatches.Any(x => (x.SubjectId, x.Kind) == (emptied, "LedgerDoesNotReplay"))
                && found.Progress.All(x => x.Checked > 0);
        }, MaxWait, () => $"all of {string.Join(", ", planted)}, {emptied} in {found}");

        // The entry that was added to the ledger also keeps its account from replaying.
        Assert.That(found.Mismatches.Select(x => x.SubjectId).Except([.. planted.Keys, emptied, account]), Is.Empty);
        Assert.That(found.Mismatches, Has.All.Property(nameof(Mismatch.Mend)).Not.Empty);
        await Wait.UntilAsync(async () => (await Scrape.ReadAsync(System.Operations!)).Sum(
            "reconciliation_mismatches", ("mismatch_kind", "HoldWithoutLiveOrder")) == 1, MaxWait, () => "the metric");
        var ages = (await Scrape.ReadAsync(System.Operations!)).All
            .Where(x => x.Name == "reconciliation_check_age_seconds").ToList();
        Assert.That(ages.Select(x => x.Labels["comparison_subject"]),
            Is.EquivalentTo(found.Progress.Select(x => x.Subject)));
        Assert.That(ages.Select(x => x.Value), Has.All.InRange(-1, 30));

        await ReservationAsync(orders[0], "status = 'Captured'");
        await ReservationAsync(orders[1], "status = 'Captured'");
        await ReservationAsync(orders[2], "amount = 1");
        await ReservationAsync(orders[3], $"account_id = '{account}'");
        await ExecuteAsync(System.AccountDatabase, "insert into reservations select * from lost; drop table lost");
        await OrderAsync(orders[5], "Confirmed");
        await ExecuteAsync(System.AccountDatabase, $"update accounts set available = 5 where account_id = '{emptied}'");

        var left = new HashSet<string> { $"{orphan}", orders[6], account };
        await Wait.UntilAsync(async () => (found = await ReadAsync()).Mismatches.All(x => left.Contains(x.SubjectId)),
            MaxWait, () => $"what is mended to disappear: {found}");
    }

    async Task<Reconciliation> ReadAsync() => await Operations.GetReconciliationAsync(new GetReconciliationRequest());

    Task ReservationAsync(string orderId, string change) => ExecuteAsync(System.AccountDatabase,
        $"update reservations set {change} where order_id = '{orderId}'");

    Task OrderAsync(string orderId, string state) => ExecuteAsync(System.OrderDatabase,
        $"update orders set current_state = '{state}', resend_time = null where order_id = '{orderId}'");
}
