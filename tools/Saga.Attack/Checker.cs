using System.Globalization;
using Npgsql;

namespace Saga.Attack;

/// <summary>
/// Judges the answers that clients got by what is in the databases at the end: that every acknowledged request had its
/// effect once, every refused one none, every unknown one at most one; that what was acknowledged could be read, and that a terminal
/// status, once read, stayed.
/// </summary>
sealed class Checker(IReadOnlyList<Event> history, string orderDatabase, string accountDatabase)
{
    readonly List<string> _violations = [];

    public async Task<IReadOnlyList<string>> CheckAsync()
    {
        await using var orders = NpgsqlDataSource.Create(orderDatabase);
        await using var accounts = NpgsqlDataSource.Create(accountDatabase);
        await OrdersAsync(orders);
        await DepositsAsync(accounts);
        return _violations;
    }

    async Task OrdersAsync(NpgsqlDataSource database)
    {
        var byRequest = new Dictionary<string, (string Id, string State, string Account, decimal Total)>();
        var states = new Dictionary<string, string>();
        await using (var command = database.CreateCommand("select order_id::text, request_id::text, current_state, account_id::text, total from orders"))
        await using (var row = await command.ExecuteReaderAsync())
            while (await row.ReadAsync())
            {
                states[row.GetString(0)] = row.GetString(2);
                byRequest.Add(row.GetString(1), (row.GetString(0), row.GetString(2), row.GetString(3), row.GetDecimal(4)));
            }

        foreach (var request in history.Where(x => x.Kind == "create").GroupBy(x => x.RequestId!))
        {
            var answers = request.Where(x => x.Answer == Answer.Ok).Select(x => x.OrderId).Distinct().ToList();
            var first = request.First();
            if (answers.Count > 1)
                Violated("I7", $"request {request.Key} made orders {string.Join(" and ", answers)}", request);
            if (!byRequest.Remove(request.Key, out var order))
            {
                if (answers.Count > 0)
                    Violated("I6", $"order {answers[0]} was acknowledged and is not there", request);
                continue;
            }

            if (answers.Count > 0 && answers[0] != order.Id)
                Violated("I7", $"request {request.Key} was answered with {answers[0]}, and made {order.Id}", request);
            if (request.All(x => x.Answer == Answer.Failed))
                Violated("I7", $"request {request.Key} was refused, and made order {order.Id}", request);
            if (order.Account != first.AccountId || order.Total != first.Amount)
                Violated("I7", $"order {order.Id} is not what was asked for", request);
            if (order.State is not ("Confirmed" or "Rejected" or "Cancelled"))
                Violated("I6", $"order {order.Id} is still {order.State}", request);
        }

        foreach (var (request, order) in byRequest)
            Violated("I3", $"order {order.Id} was asked for by nobody (request {request})", []);

        foreach (var seen in history.Where(x => x is { OrderId: not null, Answer: Answer.Ok, Kind: "read" or "cancel" }))
        {
            var end = states.GetValueOrDefault(seen.OrderId!, "missing");
            if (seen is { Kind: "read", Status: "Confirmed" or "Rejected" or "Cancelled" } && seen.Status != end
                || seen is { Kind: "read", Status: "Cancelling" } && end is not ("Cancelling" or "Cancelled"))
                Violated("I5", $"order {seen.OrderId} was read as {seen.Status} and is {end}", About(seen.OrderId!));
            if (seen.Kind == "cancel" && end != "Cancelled")
                Violated("I5", $"order {seen.OrderId} was cancelled and is {end}", About(seen.OrderId!));
        }

        foreach (var missed in history.Where(x => x is { Answer: Answer.Failed, Kind: "read" or "cancel" } && x.Detail!.StartsWith("NotFound", StringComparison.Ordinal)))
            Violated("I6", $"order {missed.OrderId} was acknowledged, and not found by who asked for it", About(missed.OrderId!));
    }

    async Task DepositsAsync(NpgsqlDataSource database)
    {
        var entries = new Dictionary<string, decimal>();
        await using (var command = database.CreateCommand("select request_id::text, sum(amount), count(*) from ledger_entries where kind = 'Deposit' group by request_id"))
        await using (var row = await command.ExecuteReaderAsync())
            while (await row.ReadAsync())
                entries.Add(row.GetString(0), row.GetDecimal(1));
        foreach (var deposit in history.Where(x => x.Kind == "deposit").GroupBy(x => x.RequestId!))
        {
            var has = entries.Remove(deposit.Key, out var amount);
            if (deposit.Any(x => x.Answer == Answer.Ok) && !has)
                Violated("I1", $"deposit {deposit.Key} was acknowledged and is not there", deposit);
            if (deposit.All(x => x.Answer == Answer.Failed) && has)
                Violated("I1", $"deposit {deposit.Key} was refused and is there", deposit);
            if (has && amount != deposit.First().Amount)
                Violated("I1", $"deposit {deposit.Key} is over {amount} instead of {deposit.First().Amount}", deposit);
        }

        foreach (var request in entries.Keys)
            Violated("I1", $"deposit {request} was asked for by nobody", []);
    }

    IEnumerable<Event> About(string orderId) => history.Where(x => x.OrderId == orderId);

    void Violated(string invariant, string what, IEnumerable<Event> story) => _violations.Add($"{invariant}: {what}{string.Concat(story.Select(x =>
        string.Create(CultureInfo.InvariantCulture, $"\n    {x.At,9:F3} {x.Kind} {x.Answer} {x.Status} {x.Detail}")))}");
}
