using System.Globalization;
using Npgsql;
using Saga.Services;
using Service.Defaults;

namespace Saga.Attack;

/// <summary>
/// Checks the outcomes that clients observed against the databases after the attack: an acknowledged request has its
/// effect once, a rejected one has none, an unknown one at most one; acknowledged orders can be read; a terminal
/// status, once read, never changes.
/// </summary>
sealed class HistoryChecker(IReadOnlyList<HistoryEvent> history, string orderDatabase, string accountDatabase)
{
    static readonly Caller Client = new(BearerCredentials.Subject, IsAdministrator: true);

    readonly List<string> _violations = [];

    /// <returns>The violated invariants, each with the events that show it; empty if all hold.</returns>
    public async Task<IReadOnlyList<string>> CheckAsync()
    {
        await using var orders = NpgsqlDataSource.Create(orderDatabase);
        await using var accounts = NpgsqlDataSource.Create(accountDatabase);
        var stored = await ReadOrdersAsync(orders);
        CheckCreatedOrders(stored);
        CheckReadAndCancelledOrders(stored.ToDictionary(x => x.Id, x => x.State));
        await CheckDepositsAsync(accounts);
        return _violations;
    }

    static async Task<List<StoredOrder>> ReadOrdersAsync(NpgsqlDataSource database)
    {
        const string Sql =
            "select order_id::text, request_id::text, current_state, account_id::text, total from orders";
        var orders = new List<StoredOrder>();
        await using var command = database.CreateCommand(Sql);
        await using var row = await command.ExecuteReaderAsync();
        while (await row.ReadAsync())
            orders.Add(new StoredOrder(row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3),
                row.GetDecimal(4)));
        return orders;
    }

    void CheckCreatedOrders(List<StoredOrder> stored)
    {
        var byRequest = stored.ToDictionary(x => x.RequestId);
        foreach (var request in Of(HistoryEvent.Create).GroupBy(StoredId))
        {
            var acknowledged = request.Where(x => x.Outcome == Outcome.Ok).Select(x => x.OrderId).Distinct().ToList();
            var first = request.First();
            if (acknowledged.Count > 1)
                Violated("I7", $"request {request.Key} created orders {string.Join(" and ", acknowledged)}", request);
            if (!byRequest.Remove(request.Key, out var order))
            {
                if (acknowledged.Count > 0)
                    Violated("I6", $"order {acknowledged[0]} was acknowledged but does not exist", request);
                continue;
            }

            if (acknowledged.Count > 0 && acknowledged[0] != order.Id)
                Violated("I7", $"request {request.Key} created {order.Id}, acknowledged as {acknowledged[0]}", request);
            if (request.All(x => x.Outcome == Outcome.Rejected))
                Violated("I7", $"request {request.Key} was rejected but created order {order.Id}", request);
            if (order.AccountId != first.AccountId || order.Total != first.Amount)
                Violated("I7", $"order {order.Id} differs from its request", request);
            if (order.State is not ("Confirmed" or "Rejected" or "Cancelled"))
                Violated("I6", $"order {order.Id} is still {order.State}", request);
        }

        foreach (var (request, order) in byRequest)
            Violated("I3", $"order {order.Id} has request {request}, which no client sent", []);
    }

    void CheckReadAndCancelledOrders(Dictionary<string, string> states)
    {
        foreach (var read in Of(HistoryEvent.Read).Where(x => x is { OrderId: not null, Outcome: Outcome.Ok }))
        {
            var state = states.GetValueOrDefault(read.OrderId!, "missing");
            if (read.Status is "Confirmed" or "Rejected" or "Cancelled" && read.Status != state
                || read.Status is "Cancelling" && state is not ("Cancelling" or "Cancelled"))
                Violated("I5", $"order {read.OrderId} was read as {read.Status} but is {state}", About(read.OrderId!));
        }

        foreach (var cancelled in Of(HistoryEvent.Cancel).Where(x => x is { OrderId: not null, Outcome: Outcome.Ok }))
            if (states.GetValueOrDefault(cancelled.OrderId!, "missing") is not "Cancelled" and var state)
                Violated("I5", $"order {cancelled.OrderId} is {state} but its cancellation was acknowledged",
                    About(cancelled.OrderId!));

        var missing = Of(HistoryEvent.Read).Concat(Of(HistoryEvent.Cancel)).Where(x => x.Outcome == Outcome.Rejected
            && x.Detail!.StartsWith("NotFound", StringComparison.Ordinal));
        foreach (var missed in missing)
            Violated("I6", $"order {missed.OrderId} was acknowledged but a later {missed.Kind} did not find it",
                About(missed.OrderId!));
    }

    async Task CheckDepositsAsync(NpgsqlDataSource database)
    {
        const string Sql =
            "select request_id::text, sum(amount) from ledger_entries where kind = 'Deposit' group by request_id";
        var entries = new Dictionary<string, decimal>();
        await using (var command = database.CreateCommand(Sql))
        await using (var row = await command.ExecuteReaderAsync())
            while (await row.ReadAsync())
                entries.Add(row.GetString(0), row.GetDecimal(1));
        foreach (var deposit in Of(HistoryEvent.Deposit).GroupBy(StoredId))
        {
            var exists = entries.Remove(deposit.Key, out var amount);
            if (deposit.Any(x => x.Outcome == Outcome.Ok) && !exists)
                Violated("I1", $"deposit {deposit.Key} was acknowledged but does not exist", deposit);
            if (deposit.All(x => x.Outcome == Outcome.Rejected) && exists)
                Violated("I1", $"deposit {deposit.Key} was rejected but exists", deposit);
            if (exists && amount != deposit.First().Amount)
                Violated("I1", $"deposit {deposit.Key} has the amount {amount} instead of {deposit.First().Amount}",
                    deposit);
        }

        foreach (var request in entries.Keys)
            Violated("I1", $"deposit {request} has a request that no client sent", []);
    }

    /// <summary>The id of the event's request in the databases.</summary>
    static string StoredId(HistoryEvent x) => $"{Client.Remember(Guid.Parse(x.RequestId!))}";

    IEnumerable<HistoryEvent> Of(string kind) => history.Where(x => x.Kind == kind);

    IEnumerable<HistoryEvent> About(string orderId) => history.Where(x => x.OrderId == orderId);

    void Violated(string invariant, string violation, IEnumerable<HistoryEvent> events)
    {
        var lines = events.Select(x => string.Create(CultureInfo.InvariantCulture,
            $"\n    {x.At,9:F3} {x.Kind} {x.Outcome} {x.Status} {x.Detail}"));
        _violations.Add($"{invariant}: {violation}{string.Concat(lines)}");
    }

    sealed record StoredOrder(string Id, string RequestId, string State, string AccountId, decimal Total);
}
