using Accounts.V1;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// The methods that list. A page of the largest size has less than 1 MB, so that every client accepts it.
/// </summary>
sealed class AccountLists(AccountDbContext db, PageTokens tokens)
{
    /// <summary>The maximum number of accounts whose reservations one call reads.</summary>
    const int MaxAccounts = 50;

    // The redundant BETWEEN lowers the planner's row estimate, so it chooses an index that begins with the account.
    const string OfAccount = "account_id = named.account_id "
            + "and account_id between named.account_id and named.account_id",
        Page = "order_id < {2} order by order_id desc limit {3}";

    /// <summary>
    /// Reads each status of each account by itself and merges the results, because an index has each in its order. The
    /// statuses, also those of newer builds, are found by one look-up for each in the same index. (As LINQ, this
    /// becomes a window function over all reservations.)
    /// </summary>
    const string OfAccounts = $$"""
        select page.* from unnest({0}) as named (account_id) cross join lateral (
            with recursive statuses (status) as (
                select min(status) from all_reservations where {{OfAccount}}
                union all
                select (select min(r.status) from all_reservations r where {{OfAccount}} and r.status > statuses.status)
                from statuses where status is not null
            )
            select status from statuses where status is not null) as found cross join lateral (
            select * from all_reservations where {{OfAccount}} and status = found.status and {{Page}}) as page
        where ({1} is null or found.status = {1})
        """;

    /// <summary>
    /// Leaves out the rejected attempts of callers who do not own the account, by an index that does not have them.
    /// </summary>
    const string OfOwnedAccounts = $$"""
        {{OfAccounts}} and found.status <> 'Rejected'
        union all
        select page.* from unnest({0}) as named (account_id) cross join lateral (
            select * from all_reservations
            where {{OfAccount}} and status = 'Rejected' and reason <> 'AccountNotFound' and {{Page}}) as page
        where {1} is null or {1} = 'Rejected'
        """;

    /// <summary>Reads a page of accounts.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListAccountsResponse> ReadAsync(
        ListAccountsRequest request, Caller caller, CancellationToken cancellationToken)
    {
        var filter = $"ListAccounts/{caller.Limit}";
        var violations = new FieldViolations();
        var size = violations.PageSize(request.PageSize);
        var after = tokens.Read<Guid>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var query = db.Accounts.AsNoTracking();
        if (caller.Limit is { } owner)
            query = query.Where(x => x.Owner == owner);
        if (after is { } last)
            query = query.Where(x => x.AccountId < last);
        // One more row than the page shows whether there is another page.
        var page = await query.OrderByDescending(x => x.AccountId).Take(size + 1).ToListAsync(cancellationToken);
        return new ListAccountsResponse
        {
            Accounts = { page.Take(size).Select(x => x.ToProto()) },
            NextPageToken = page.Count > size ? tokens.Create(page[size - 1].AccountId, filter) : "",
        };
    }

    /// <summary>Reads a page of reservations.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListReservationsResponse> ReadAsync(
        ListReservationsRequest request, Caller caller, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var status = AccountMapping.ToStatus(request.Status)?.ToString();
        if (status == null && request.Status != V1.ReservationStatus.Unspecified)
            violations.Add("status", "must be a status of a reservation");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListReservations/{caller.Limit}/{accountId}/{request.Status}";
        var before = tokens.Read<Guid>(request.PageToken, filter, violations) ?? Guid.AllBitsSet;
        violations.ThrowIfAny();

        Guid[] accounts = accountId is { } id ? [id] : [];
        if (caller.Limit is { } owner)
        {
            accounts = await db.Accounts
                .Where(x => x.Owner == owner && (accountId == null || x.AccountId == accountId))
                .OrderBy(x => x.AccountId).Select(x => x.AccountId).Take(MaxAccounts + 1)
                .ToArrayAsync(cancellationToken);
            if (accounts.Length == 0)
                return new ListReservationsResponse();
            if (accounts.Length > MaxAccounts)
                violations.Add("account_id", $"must be set by a caller who owns more than {MaxAccounts} accounts");
            violations.ThrowIfAny();
        }

        // The cast compares the name in the database, which can be that of a newer build.
        var query = accounts.Length == 0
            ? db.AllReservations.Where(x =>
                x.OrderId < before && (status == null || (string)(object)x.Status == status))
            : db.Reservations.FromSqlRaw(caller.Limit == null ? OfAccounts : OfOwnedAccounts, accounts,
                new NpgsqlParameter<string?> { TypedValue = status, NpgsqlDbType = NpgsqlDbType.Text },
                before, size + 1).AsNoTracking();
        // One more row than the page shows whether there is another page.
        var page = await query.OrderByDescending(x => x.OrderId).Take(size + 1).ToListAsync(cancellationToken);
        return new ListReservationsResponse
        {
            Reservations = { page.Take(size).Select(x => x.ToProto()) },
            NextPageToken = page.Count > size ? tokens.Create(page[size - 1].OrderId, filter) : "",
        };
    }

    /// <summary>Reads a page of an account's ledger entries.</summary>
    /// <exception cref="Grpc.Core.RpcException">
    /// INVALID_ARGUMENT, with all violations. NOT_FOUND: the account does not exist.
    /// </exception>
    public async Task<ListEntriesResponse> ReadAsync(
        ListEntriesRequest request, Caller caller, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListEntries/{caller.Limit}/{accountId}";
        var after = tokens.Read<long>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var account = await db.Accounts.AsNoTracking()
            .SingleOrDefaultAsync(x => x.AccountId == accountId, cancellationToken);
        if (account == null || !caller.Sees(account.Owner))
            throw RpcErrors.NotFound("account", accountId);
        var query = db.AllLedgerEntries.Where(x => x.AccountId == accountId);
        if (after is { } last)
            query = query.Where(x => x.EntryId < last);
        var page = await query.OrderByDescending(x => x.EntryId).Take(size + 1).ToListAsync(cancellationToken);
        return new ListEntriesResponse
        {
            Entries = { page.Take(size).Select(x => x.ToProto(account.Currency)) },
            NextPageToken = page.Count > size ? tokens.Create(page[size - 1].EntryId, filter) : "",
        };
    }
}
