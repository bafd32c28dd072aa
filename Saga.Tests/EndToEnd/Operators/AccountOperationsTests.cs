using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Operators;

public sealed partial class When_an_operator_looks_after_orders
{
    AccountOperations.AccountOperationsClient AccountOperator => new(System.Accounts[0].OperationsChannel);

    [Test]
    public async Task Should_tell_the_story_of_a_reservation()
    {
        var account = await OpenAccountAsync(10);
        var id = await PlaceOrderAsync(account, 4);
        await AssertConfirmedAsync(id);
        await WaitUntilSettledAsync(id);

        var story = await AccountOperator.GetReservationStoryAsync(new() { OrderId = id });
        Assert.That((story.Reservation.AccountId, story.Reservation.Status, story.Reservation.Amount),
            Is.EqualTo((account, "Captured", Money(4))));
        Assert.That(story.Entries.Select(x => (x.Kind, x.Amount, x.AvailableAfter, x.HeldAfter, x.CapturedAfter)),
            Is.EqualTo(new[]
            {
                ("Hold", Money(4), Money(6), Money(4), Money(0)), ("Capture", Money(4), Money(6), Money(0), Money(4)),
            }));
    }

    [Test]
    public async Task Should_tell_that_nothing_is_decided_about_an_order()
    {
        var story = await AccountOperator.GetReservationStoryAsync(new() { OrderId = $"{Guid.CreateVersion7()}" });
        Assert.That(story, Is.EqualTo(new ReservationStory()));
    }

    [Test]
    public async Task Should_count_old_holds()
    {
        var (account, order) = (await OpenAccountAsync(10), Guid.CreateVersion7());
        await InsertAsync("Cancelled", account, [$"{order}"]);
        await HoldAllFundsAsync(account, order, "Held");
        try
        {
            var young = await AccountOperator.ListStuckHoldsAsync(new());
            Assert.That(young.Groups, Is.Empty);
            var group = (await AccountOperator.ListStuckHoldsAsync(new() { OlderThan = Now })).Groups.Single();
            Assert.That((group.Count, group.OrderIds), Is.EqualTo((1, new[] { $"{order}" })));
            var facts = await AccountOperator.GetReservationFactsAsync(new() { OrderIds = { $"{order}" } });
            Assert.That(facts.Reservations.Select(x => (x.Status, x.Amount, x.EntriesHeld, x.EntriesReleased)),
                Is.EqualTo(new[] { ("Held", Money(10), Money(10), Money(0)) }));
        }
        finally
        {
            await ReleaseAllFundsAsync(account, order);
        }
    }

    [Test]
    public async Task Should_list_the_facts_of_reservations_until_the_first_that_is_too_young()
    {
        var ids = (await PlaceOrdersAsync(3, await OpenAccountAsync(3))).Order().ToArray();
        await AssertConfirmedAsync(ids);
        await WaitUntilSettledAsync(ids);
        await ExecuteAsync(System.AccountDatabase, $"""
            update reservations set create_time = now() + interval '1 hour' where order_id = '{ids[1]}'
            """);

        var before = Timestamp.FromDateTime(DateTime.UtcNow.AddMinutes(1));
        var page = await AccountOperator.ListReservationFactsAsync(new() { CreateTimeBefore = before });
        Assert.That(page.Reservations.Select(x => x.OrderId), Does.Contain(ids[0]).And.Not.Contains(ids[1])
            .And.Not.Contains(ids[2]).And.Ordered);
        page = await AccountOperator.ListReservationFactsAsync(new() { AfterOrderId = ids[0], PageSize = 2 });
        Assert.That(page.Reservations.Select(x => (x.OrderId, x.EntriesCaptured)),
            Is.EqualTo(ids[1..].Select(x => (x, Money(1)))));
    }

    [Test]
    public async Task Should_find_the_accounts_whose_ledgers_do_not_explain_their_balances()
    {
        var accounts = new[] { await OpenAccountAsync(10), await OpenAccountAsync(10), await OpenAccountAsync(0) };
        Assert.That(await CheckAsync(), Is.Empty);
        await ExecuteAsync(System.AccountDatabase, $"""
            update accounts set available = available + 1 where account_id = '{accounts[0]}';
            alter table ledger_entries disable trigger ledger_is_append_only;
            update ledger_entries set held_after = 5 where account_id = '{accounts[1]}';
            """);
        try
        {
            var differences = await CheckAsync();
            Assert.That(differences.Select(x => x.AccountId), Is.EquivalentTo(accounts[..2]));
            Assert.That(differences.Single(x => x.AccountId == accounts[0]).Difference,
                Is.EqualTo("available is 11.0000 EUR, but the ledger adds up to 10.0000 EUR"));
            Assert.That(differences.Single(x => x.AccountId == accounts[1]).Difference,
                Does.Match(@"^entry \d+ does not follow from the entry before it$"));
        }
        finally
        {
            await ExecuteAsync(System.AccountDatabase, $"""
                update accounts set available = available - 1 where account_id = '{accounts[0]}';
                update ledger_entries set held_after = 0 where account_id = '{accounts[1]}';
                alter table ledger_entries enable trigger ledger_is_append_only;
                """);
        }

    }

    [Test]
    public async Task Should_continue_a_replay_behind_the_entries_that_were_replayed()
    {
        var account = await OpenAccountAsync(100);
        await AssertConfirmedAsync(await PlaceOrdersAsync(50, account));
        await WaitForBalancesAsync(account, available: 50, held: 0, captured: 50);
        Assert.That(await CheckAsync(), Is.Empty);
        var id = $"account_id = '{account}'";
        Assert.That(await CountAsync(System.AccountDatabase, $"select count(*) from ledger_checks where {id}"),
            Is.EqualTo(1));

        await AssertConfirmedAsync(await PlaceOrderAsync(account, 1));
        await WaitForBalancesAsync(account, available: 49, held: 0, captured: 51);
        Assert.That(await CheckAsync(), Is.Empty);
        await ChangeAsync($"update accounts set captured = 52 where {id}");
        Assert.That((await CheckAsync()).Single().Difference, Does.Contain("captured is 52").And.Contains("to 51"));
        await ChangeAsync($"update accounts set captured = 51 where {id}");
        await ChangeAsync($"update ledger_entries set amount = 2 where {id} and kind = 'Deposit'");
        Assert.That(await CheckAsync(), Is.Empty, "an entry that was replayed a moment ago");
        await ChangeAsync($"update ledger_checks set full_time = full_time - interval '1 day' where {id}");
        Assert.That((await CheckAsync()).Single().AccountId, Is.EqualTo(account));
        await ChangeAsync($"update ledger_entries set amount = 100 where {id} and kind = 'Deposit'");
        Assert.That(await CheckAsync(), Is.Empty);

        Task ChangeAsync(string sql) =>
            ExecuteAsync(System.AccountDatabase, $"set session_replication_role = replica; {sql}");
    }

    /// <summary>Replays the ledgers of all accounts.</summary>
    async Task<List<AccountDifference>> CheckAsync()
    {
        var (found, after, total) = (new List<AccountDifference>(), "", 0);
        while (true)
        {
            var page = await AccountOperator.CheckAccountsAsync(new() { AfterAccountId = after, PageSize = 2 });
            if (page.Checked == 0)
                break;
            (after, total) = (page.LastAccountId, total + page.Checked);
            found.AddRange(page.Differences);
        }

        Assert.That(total, Is.EqualTo(await CountAsync(System.AccountDatabase, "select count(*) from accounts")));
        return found;
    }

    [Test]
    public async Task Should_export_the_ledger_of_a_time_range_and_continue_after_an_entry()
    {
        await OpenAccountAsync(1);
        var start = DateTime.UtcNow;
        var account = await OpenAccountAsync(10);
        var id = await PlaceOrderAsync(account, 4);
        await AssertConfirmedAsync(id);
        await WaitUntilSettledAsync(id);
        var range = new ExportRequest { StartTime = start.ToTimestamp(), EndTime = DateTime.UtcNow.ToTimestamp() };
        await OpenAccountAsync(1);

        var entries = await ReadAsync(AccountOperator.ExportEntries(range).ResponseStream);
        Assert.That(entries.Select(x => (x.AccountId, x.OrderId, x.Kind, x.AvailableAfter)), Is.EqualTo(new[]
        {
            (account, "", "Deposit", Money(10)), (account, id, "Hold", Money(6)), (account, id, "Capture", Money(6)),
        }));
        Assert.That(entries.Select(x => x.DepositedBy), Is.EqualTo(new[] { BearerCredentials.Subject, "", "" }));
        range.AfterId = $"{entries[1].EntryId}";
        Assert.That(await ReadAsync(AccountOperator.ExportEntries(range).ResponseStream), Is.EqualTo(entries[2..]));
        range.AfterId = "x";
        Assert.That(() => ReadAsync(AccountOperator.ExportEntries(range).ResponseStream),
            ThrowsStatus(StatusCode.InvalidArgument));
    }

    [Test]
    public async Task Should_sum_the_ledger_of_a_day_and_the_balances_at_its_end()
    {
        var account = await OpenAccountAsync(100, "NOK");
        var id = await PlaceOrderAsync(account, 30, "NOK");
        await AssertConfirmedAsync(id);
        await WaitUntilSettledAsync(id);
        await WaitForEndAsync(await PlaceOrderAsync(account, 80, "NOK"));

        var today = DateTime.UtcNow.Date;
        Assert.That(await TotalAsync(today), Is.EqualTo(Expected(100, 30, 30, rejections: 1)));
        Assert.That(await TotalAsync(today.AddDays(1)), Is.EqualTo(Expected(0, 0, 0, rejections: 0)), "the day after");
        var before = await TotalAsync(today.AddDays(-1));
        Assert.That((before.DepositsUntil, before.AvailableAfter), Is.EqualTo((Money(0, "NOK"), Money(0, "NOK"))));

        async Task<LedgerTotal> TotalAsync(DateTime day) => (await AccountOperator.GetLedgerTotalsAsync(
            new() { Day = new() { Year = day.Year, Month = day.Month, Day = day.Day } })).Totals
            .Single(x => x.CurrencyCode == "NOK");

        static LedgerTotal Expected(long deposits, long holds, long captures, long rejections) => new()
        {
            CurrencyCode = "NOK",
            Deposits = Money(deposits, "NOK"),
            Holds = Money(holds, "NOK"),
            Releases = Money(0, "NOK"),
            Captures = Money(captures, "NOK"),
            Rejections = rejections,
            AvailableAfter = Money(70, "NOK"),
            HeldAfter = Money(0, "NOK"),
            CapturedAfter = Money(30, "NOK"),
            DepositsUntil = Money(100, "NOK"),
        };
    }

    /// <summary>Ends what HoldAllFundsAsync has begun.</summary>
    Task ReleaseAllFundsAsync(string account, Guid order) => ExecuteAsync(System.AccountDatabase, $"""
        update accounts set available = 10, held = 0 where account_id = '{account}';
        update reservations set status = 'Released' where order_id = '{order}';
        insert into ledger_entries
            (account_id, order_id, kind, amount, available_after, held_after, captured_after, create_time)
        values ('{account}', '{order}', 'Release', 10, 10, 0, 0, now());
        """);
}
