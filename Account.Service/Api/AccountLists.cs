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
        ListAccountsRequest request, CancellationToken cancellationToken)
    {
        const string filter = "ListAccounts";
        var violations = new FieldViolations();
        var size = violations.PageSize(request.PageSize);
        var after = tokens.Read<Guid>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var query = db.Accounts.AsNoTracking();
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
        ListReservationsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var status = AccountMapping.ToStatus(request.Status);
        if (status == null && request.Status != V1.ReservationStatus.Unspecified)
            violations.Add("status", "must be a status of a reservation");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListReservations/{accountId}/{status}";
        var after = tokens.Read<Guid>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var query = db.Reservations.AsNoTracking();
        if (accountId != null)
            query = query.Where(x => x.AccountId == accountId);
        if (status != null)
            query = query.Where(x => x.Status == status);
        if (after is { } last)
            query = query.Where(x => x.OrderId < last);
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
    public async Task<ListEntriesResponse> ReadAsync(ListEntriesRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var size = violations.PageSize(request.PageSize);
        var filter = $"ListEntries/{accountId}";
        var after = tokens.Read<long>(request.PageToken, filter, violations);
        violations.ThrowIfAny();

        var account = await db.Accounts.AsNoTracking()
            .SingleOrDefaultAsync(x => x.AccountId == accountId, cancellationToken)
            ?? throw RpcErrors.NotFound("account", accountId);
        var query = db.LedgerEntries.AsNoTracking().Where(x => x.AccountId == accountId);
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
