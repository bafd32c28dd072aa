using Operations.V1;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

public sealed partial class When_an_operator_mends_what_is_stuck
{
    [Test]
    public async Task Should_tell_what_order_and_the_broker_know_while_account_does_not_answer()
    {
        var order = await PlaceOrderAsync(await OpenAccountAsync(10), 10);
        await AssertConfirmedAsync(order);
        await Operations.ListQueuesAsync(new ListBrokerQueuesRequest()); // the queues of Account become known
        await System.Accounts[0].KillAsync();
        try
        {
            var story = await UntilOnlyMissingAsync("Account", () => ExplainAsync(order), x => x.Missing);
            Assert.That(story.Advice, Has.One.StartsWith("No answer from Account"));
            Assert.That(story.Order.State, Is.EqualTo("Confirmed"));
            Assert.That(story.Situation, Does.Contain("Account does not answer"));
            var letters = await UntilOnlyMissingAsync("Account",
                async () => await Operations.ListDeadLettersAsync(new ListDeadLettersRequest()), x => x.Missing);
            Assert.That(letters.Groups, Is.Empty);
            var queues = await Operations.ListQueuesAsync(new ListBrokerQueuesRequest());
            Assert.That(queues.Queues.Select(x => x.Name), Has.Member(Queue).And.Member("order-state"));
            Assert.That(queues.Missing, Has.Count.EqualTo(1));
            var stuck = await RunAsync("stuck");
            Assert.That(stuck.Code, Is.EqualTo(1), stuck.Error);
            Assert.That(stuck.Output, Does.Contain("Account is missing: "));
            using var http = new HttpClient { BaseAddress = System.Operations!.HttpAddress };
            http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
            using var report = await http.GetAsync("/v1/reports/day?day.year=2026&day.month=11&day.day=30");
            Assert.That(((int)report.StatusCode, report.Headers.RetryAfter?.Delta),
                Is.EqualTo((503, TimeSpan.FromSeconds(1))));
            Assert.That(await report.Content.ReadAsStringAsync(), Does.Contain("SERVICE_UNREACHABLE"));
        }
        finally
        {
            await RestartAsync(System.Accounts[0]);
        }

        await AuditAsync();
    }

    [Test]
    public async Task Should_tell_what_account_and_the_broker_know_while_order_does_not_answer()
    {
        var account = await OpenAccountAsync(10);
        var order = await PlaceOrderAsync(account, 10);
        await WaitForBalancesAsync(account, available: 0, held: 0, captured: 10);
        await System.Orders[0].KillAsync();
        try
        {
            var story = await UntilOnlyMissingAsync("Order", () => ExplainAsync(order), x => x.Missing);
            Assert.That(story.Reservation.Status, Is.EqualTo("Captured"));
            Assert.That(story.Situation, Does.StartWith("Order does not answer"));
            Assert.That(story.Advice, Is.EqualTo(new[]
            {
                "No answer from Order: check that it runs. Everything else continues by itself then.",
            }), "an order that cannot be read is not taken for one that is lost");
        }
        finally
        {
            await RestartAsync(System.Orders[0]);
        }

        await AuditAsync();
    }

    /// <summary>Asks until one source is missing and all others have answered in time.</summary>
    static async Task<T> UntilOnlyMissingAsync<T>(string source, Func<Task<T>> askAsync,
        Func<T, IEnumerable<MissingSource>> missingOf)
    {
        var answer = default(T)!;
        await Wait.UntilAsync(async () => missingOf(answer = await askAsync()).Select(x => x.Source)
            .SequenceEqual([source]), MaxWait, () => $"only {source} to be missing: {answer}");
        return answer;
    }

    [Test]
    public async Task Should_end_with_an_error_when_a_redrive_has_skipped_orders()
    {
        var order = await PlaceOrderAsync(await OpenAccountAsync(10), 10);
        await AssertConfirmedAsync(order);
        await AuditAsync(); // it waits for nothing any more
        var redrive = await RunAsync("redrive", order, "--reason", Reason, "--yes");
        Assert.That(redrive.Code, Is.EqualTo(1), redrive.Error);
        Assert.That(redrive.Output, Does.Contain("0 of 1 sent, 1 wait for nothing any more"));
    }
}
