using System.Globalization;
using Accounts.V1;
using Grpc.Core;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>The API of proto/accounts/v1/accounts.proto, which says what its methods promise.</summary>
sealed class AccountGrpcService(AccountDbContext db, IUnitOfWork<AccountDbContext> unit, TimeProvider time) : AccountService.AccountServiceBase
{
    public override async Task<V1.Account> OpenAccount(OpenAccountRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        if (!Money.IsCurrency(request.CurrencyCode))
            violations.Add("currency_code", "must be three capital letters, such as EUR");
        violations.ThrowIfAny();

        var account = new Account
        {
            AccountId = accountId ?? Guid.CreateVersion7(time.GetUtcNow()),
            Currency = request.CurrencyCode,
            RequestId = requestId,
            CreateTime = Now,
            UpdateTime = Now,
        };
        try
        {
            db.Add(account);
            await unit.CommitAsync(context.CancellationToken);
            return account.ToProto();
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) is AccountDbContext.AccountKey or AccountDbContext.OpenRequestKey)
        {
            db.ChangeTracker.Clear();
            var first = requestId == null ? null
                : await db.Accounts.AsNoTracking().SingleOrDefaultAsync(x => x.RequestId == requestId, context.CancellationToken);
            if (first == null)
                throw RpcErrors.AlreadyExists("account", account.AccountId, $"account {account.AccountId} exists already");
            if (first.Currency != account.Currency || (accountId != null && accountId != first.AccountId))
                throw RpcErrors.AlreadyExists("request", requestId!.Value, $"request {requestId} opened account {first.AccountId}, with other content");
            return first.ToProto();
        }
    }

    public override async Task<V1.Account> GetAccount(GetAccountRequest request, ServerCallContext context) =>
        (await Find(FieldViolations.ReadId(request.AccountId, "account_id"), context.CancellationToken)).ToProto();

    public override async Task<V1.Account> Deposit(DepositRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        var amount = Money.Read(request.Amount, "amount", violations);
        if (amount is { Amount: 0 })
            violations.Add("amount", "must be more than zero");
        violations.ThrowIfAny();

        try
        {
            return (await Deposit(accountId, amount!.Value, requestId, context.CancellationToken)).ToProto();
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == AccountDbContext.DepositRequestKey)
        {
            // The same request, at the same time: it is done now.
            db.ChangeTracker.Clear();
            return (await Deposit(accountId, amount!.Value, requestId, context.CancellationToken)).ToProto();
        }
    }

    async Task<Account> Deposit(Guid accountId, Money amount, Guid? requestId, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        if (requestId != null && await db.LedgerEntries.SingleOrDefaultAsync(x => x.RequestId == requestId, cancellationToken) is { } first)
        {
            var deposited = await Find(first.AccountId, cancellationToken);
            return (first.AccountId, first.Amount, deposited.Currency) == (accountId, amount.Amount, amount.Currency)
                ? deposited
                : throw RpcErrors.AlreadyExists("request", requestId.Value,
                    $"request {requestId} deposited {first.Amount} {deposited.Currency} to account {first.AccountId}");
        }

        var account = await db.Accounts.FromSql($"select * from accounts where account_id = {accountId} for no key update")
            .SingleOrDefaultAsync(cancellationToken) ?? throw RpcErrors.NotFound("account", accountId);
        if (account.Currency != amount.Currency)
            throw RpcErrors.FailedPrecondition("CURRENCY_MISMATCH", $"accounts/{accountId}",
                $"account {accountId} holds {account.Currency}, the deposit is in {amount.Currency}");
        if (account.Available + account.Held + account.Captured + amount.Amount > Money.Max)
            throw RpcErrors.FailedPrecondition("BALANCE_LIMIT", $"accounts/{accountId}",
                $"account {accountId} cannot take in more than {Money.Max} in all");
        db.Add(account.Deposit(amount.Amount, requestId, Now));
        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return account;
    }

    public override async Task<ListEntriesResponse> ListEntries(ListEntriesRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var size = violations.PageSize(request.PageSize);
        var filter = accountId.ToString();
        var after = violations.PageToken<long>(request.PageToken, filter);
        violations.ThrowIfAny();

        var account = await Find(accountId, context.CancellationToken);
        var query = db.LedgerEntries.AsNoTracking().Where(x => x.AccountId == accountId);
        if (after is { } last)
            query = query.Where(x => x.EntryId < last);
        var page = await query.OrderByDescending(x => x.EntryId).Take(size + 1).ToListAsync(context.CancellationToken);
        return new ListEntriesResponse
        {
            Entries = { page.Take(size).Select(x => x.ToProto(account.Currency)) },
            NextPageToken = page.Count > size
                ? new PageToken(page[size - 1].EntryId.ToString(CultureInfo.InvariantCulture)).ToString(filter)
                : "",
        };
    }

    public override async Task<V1.Reservation> GetReservation(GetReservationRequest request, ServerCallContext context)
    {
        var orderId = FieldViolations.ReadId(request.OrderId, "order_id");
        var reservation = await db.Reservations.AsNoTracking().SingleOrDefaultAsync(x => x.OrderId == orderId, context.CancellationToken);
        return reservation?.ToProto() ?? throw RpcErrors.NotFound("reservation", orderId);
    }

    DateTime Now => time.UtcNow();

    async Task<Account> Find(Guid id, CancellationToken cancellationToken) =>
        await db.Accounts.AsNoTracking().SingleOrDefaultAsync(x => x.AccountId == id, cancellationToken)
        ?? throw RpcErrors.NotFound("account", id);
}
