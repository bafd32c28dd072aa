using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Options;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>Reads pages of both services and compares them.</summary>
sealed class Comparison(ServiceClients services, IOptions<ReconciliationOptions> options, TimeProvider time)
{
    const int MaxIds = 1000;

    readonly ReconciliationOptions _options = options.Value;

    /// <summary>Compares a page of orders with their reservations.</summary>
    public async Task<ComparedPage> OrdersAsync(string afterId, CancellationToken cancellationToken)
    {
        var page = (await services.Orders.ListOrderFactsAsync(new ListOrderFactsRequest
        {
            AfterOrderId = afterId,
            CreateTimeBefore = (time.UtcNow() - _options.Grace).ToTimestamp(),
            PageSize = _options.PageSize,
        }, cancellationToken: cancellationToken)).Orders;
        var reservations = await FindReservationsAsync(page.Select(x => x.OrderId), cancellationToken);
        return ToPage(page.Select(x => x.OrderId), page.ToDictionary(x => x.OrderId), reservations);
    }

    /// <summary>Compares a page of all reservations with their orders.</summary>
    public Task<ComparedPage> ReservationsAsync(string afterId, CancellationToken cancellationToken) =>
        ReservationsAsync(afterId, createTimeBefore: null, cancellationToken);

    /// <summary>
    /// Compares a page of the reservations that have been there for a while, so that none comes before it later.
    /// </summary>
    public Task<ComparedPage> RecentReservationsAsync(string afterId, CancellationToken cancellationToken) =>
        ReservationsAsync(afterId, (time.UtcNow() - _options.Grace).ToTimestamp(), cancellationToken);

    async Task<ComparedPage> ReservationsAsync(string afterId, Timestamp? createTimeBefore,
        CancellationToken cancellationToken)
    {
        var page = (await services.Accounts.ListReservationFactsAsync(new ListReservationFactsRequest
        {
            AfterOrderId = afterId,
            CreateTimeBefore = createTimeBefore,
            PageSize = _options.PageSize,
        }, cancellationToken: cancellationToken)).Reservations;
        var orders = await FindOrdersAsync(page.Select(x => x.OrderId), cancellationToken);
        return ToPage(page.Select(x => x.OrderId), orders, page.ToDictionary(x => x.OrderId));
    }

    /// <summary>Replays the ledgers of a page of accounts.</summary>
    public async Task<ComparedPage> AccountsAsync(string afterId, CancellationToken cancellationToken)
    {
        var page = await services.Accounts.CheckAccountsAsync(new CheckAccountsRequest
        {
            AfterAccountId = afterId,
            PageSize = _options.PageSize,
        }, deadline: DateTime.UtcNow + ServiceClients.MaxReplayTime, cancellationToken: cancellationToken);
        return new ComparedPage(page.LastAccountId, page.Checked, [.. page.Differences.Select(x =>
            new FoundMismatch(Guid.Parse(x.AccountId), MismatchKind.LedgerDoesNotReplay, x.Difference))]);
    }

    /// <summary>
    /// Compares orders again, at most 1,000. An order that changes meanwhile is consistent for now: it is read before
    /// and after its reservation.
    /// </summary>
    public async Task<IReadOnlyList<FoundMismatch>> AgainAsync(IReadOnlyCollection<Guid> orderIds,
        CancellationToken cancellationToken)
    {
        var found = new List<FoundMismatch>();
        foreach (var ids in orderIds.Select(x => x.ToString()).Chunk(MaxIds))
        {
            var before = await FindOrdersAsync(ids, cancellationToken);
            var reservations = await FindReservationsAsync(ids, cancellationToken);
            var after = await FindOrdersAsync(ids, cancellationToken);
            found.AddRange(ToPage(ids.Where(x => Equals(before.GetValueOrDefault(x), after.GetValueOrDefault(x))),
                after, reservations).Mismatches);
        }

        return found;
    }

    /// <summary>Replays the ledger of one account again.</summary>
    public async Task<FoundMismatch?> AccountAgainAsync(Guid accountId, CancellationToken cancellationToken)
    {
        // The page that begins right before the account.
        var bytes = accountId.ToByteArray(bigEndian: true);
        for (var i = bytes.Length - 1; i >= 0 && bytes[i]-- == 0; i--)
        {
        }

        var page = await services.Accounts.CheckAccountsAsync(new CheckAccountsRequest
        {
            AfterAccountId = new Guid(bytes, bigEndian: true).ToString(),
            PageSize = 1,
        }, deadline: DateTime.UtcNow + ServiceClients.MaxReplayTime, cancellationToken: cancellationToken);
        return page.Differences.Where(x => x.AccountId == $"{accountId}").Select(x =>
            new FoundMismatch(accountId, MismatchKind.LedgerDoesNotReplay, x.Difference)).FirstOrDefault();
    }

    async Task<Dictionary<string, ReservationFacts>> FindReservationsAsync(IEnumerable<string> ids,
        CancellationToken cancellationToken)
    {
        var request = new GetReservationFactsRequest { OrderIds = { ids } };
        return request.OrderIds.Count == 0 ? [] : (await services.Accounts.GetReservationFactsAsync(request,
            cancellationToken: cancellationToken)).Reservations.ToDictionary(x => x.OrderId);
    }

    async Task<Dictionary<string, OrderFacts>> FindOrdersAsync(IEnumerable<string> ids,
        CancellationToken cancellationToken)
    {
        var request = new GetOrderFactsRequest { OrderIds = { ids } };
        return request.OrderIds.Count == 0 ? [] : (await services.Orders.GetOrderFactsAsync(request,
            cancellationToken: cancellationToken)).Orders.ToDictionary(x => x.OrderId);
    }

    ComparedPage ToPage(IEnumerable<string> ids, Dictionary<string, OrderFacts> orders,
        Dictionary<string, ReservationFacts> reservations)
    {
        var now = time.UtcNow();
        var (last, count, found) = ("", 0, new List<FoundMismatch>());
        foreach (var id in ids)
        {
            (last, count) = (id, count + 1);
            if (MismatchRule.Find(Guid.Parse(id), orders.GetValueOrDefault(id), reservations.GetValueOrDefault(id),
                now - _options.Grace, now - _options.MaxCaptureTime) is { } mismatch)
                found.Add(mismatch);
        }

        return new ComparedPage(last, count, found);
    }
}
