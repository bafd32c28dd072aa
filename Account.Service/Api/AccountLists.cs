using Accounts.V1;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// The methods that list. A page of the largest size has less than 1 MB, so that every client accepts it.
/// </summary>
sealed class AccountLists(AccountDbContext db, PageTokens tokens)
{
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
        string[] statuses = AccountMapping.ToStatus(request.Status) is { } status ? [status.ToString()] : [];
        if (statuses.Length == 0 && request.Status != V1.ReservationStatus.Unspecified)
            violations.Add("status", "must be a status of a reservation");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListReservations/{caller.Limit}/{accountId}/{request.Status}";
        var after = tokens.Read<Guid>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var query = db.AllReservations;
        if (accountId != null)
            query = query.Where(x => x.AccountId == accountId);
        if (after is { } last)
            query = query.Where(x => x.OrderId < last);
        if (caller.Limit != null) // others can name an account that is not theirs, which changes nothing
            query = query.Where(x => x.Reason != Contracts.RejectionReason.AccountNotFound);
        var isLimited = caller.Limit != null;
        if (accountId is { } account)
        {
            if (isLimited && !await db.Accounts.AnyAsync(
                x => x.AccountId == account && x.Owner == caller.Owner, cancellationToken))
                return new ListReservationsResponse();
            if (statuses.Length == 0)
                statuses = await FindStatusesAsync(account, cancellationToken);
            if (statuses.Length == 0)
                return new ListReservationsResponse();
        }

        var page = await (isLimited && accountId == null
            ? NewestFirst(query, caller.Owner!, statuses, size + 1) : NewestFirst(query, statuses, size + 1))
            .ToListAsync(cancellationToken);
        return new ListReservationsResponse
        {
            Reservations = { page.Take(size).Select(x => x.ToProto()) },
            NextPageToken = page.Count > size ? tokens.Create(page[size - 1].OrderId, filter) : "",
        };
    }

    /// <summary>
    /// Reads each status of each account of an owner by itself, because an index has each in its order. Statuses of
    /// newer builds are found only by account.
    /// </summary>
    IQueryable<Reservation> NewestFirst(IQueryable<Reservation> query, string owner, string[] statuses, int count) =>
        (statuses.Length > 0 ? statuses : Enum.GetNames<ReservationStatus>())
            .Select(status => db.Accounts.Where(x => x.Owner == owner).SelectMany(account => query
                .Where(x => x.AccountId == account.AccountId && (string)(object)x.Status == status)
                .OrderByDescending(x => x.OrderId).Take(count)))
            .Aggregate((all, next) => all.Concat(next))
            .OrderByDescending(x => x.OrderId).Take(count);

    /// <summary>Reads each status by itself and merges the results, because an index has each in its order.</summary>
    static IQueryable<Reservation> NewestFirst(IQueryable<Reservation> query, string[] statuses, int count)
    {
        return statuses.Length == 0 ? Limit(query)
            // The cast compares the name in the database, which can be that of a newer build.
            : Limit(statuses.Select(status => Limit(query.Where(x => (string)(object)x.Status == status)))
                .Aggregate((all, next) => all.Concat(next)));

        IQueryable<Reservation> Limit(IQueryable<Reservation> reservations) =>
            reservations.OrderByDescending(x => x.OrderId).Take(count);
    }

    /// <summary>
    /// The statuses that reservations of an account have, also those of newer builds: one look-up in the index of
    /// accounts and statuses for each. So one index serves the filter by account alone, too.
    /// </summary>
    Task<string[]> FindStatusesAsync(Guid accountId, CancellationToken cancellationToken) =>
        db.Database.SqlQuery<string>($"""
            with recursive statuses (status) as (
                select min(status) from all_reservations where account_id = {accountId}
                union all
                select (select min(r.status) from all_reservations r
                    where r.account_id = {accountId} and r.status > s.status)
                from statuses s where s.status is not null
            )
            select status as "Value" from statuses where status is not null
            """).ToArrayAsync(cancellationToken);

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
