using Accounts.V1;
using Grpc.Core;
using Messaging.Postgres;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>The API of <c>proto/accounts/v1/accounts.proto</c>, which documents the methods.</summary>
sealed class AccountGrpcService(AccountDbContext db, IUnitOfWork<AccountDbContext> unitOfWork, AccountLists lists,
    TimeProvider time) : AccountService.AccountServiceBase
{
    public override async Task<V1.Account> OpenAccount(OpenAccountRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        if (!Money.IsCurrency(request.CurrencyCode))
            violations.Add("currency_code", Money.CurrencyExpectation);
        violations.ThrowIfAny();

        var now = time.UtcNow();
        var account = new Account
        {
            AccountId = accountId ?? Guid.CreateVersion7(time.GetUtcNow()),
            Currency = request.CurrencyCode,
            RequestId = requestId,
            CreateTime = now,
            UpdateTime = now,
        };
        try
        {
            db.Add(account);
            await LostConnection.RepeatAsync(() => unitOfWork.CommitAsync(context.CancellationToken));
            return account.ToProto();
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e)
            is AccountDbContext.AccountKey or AccountDbContext.OpenRequestKey)
        {
            db.ChangeTracker.Clear();
            // This call itself may have committed the account, although its connection was lost.
            var first = await db.Accounts.AsNoTracking().SingleOrDefaultAsync(
                x => (requestId != null && x.RequestId == requestId)
                    || (x.AccountId == account.AccountId && x.RequestId == requestId && x.CreateTime == now),
                context.CancellationToken);
            if (first == null)
                throw RpcErrors.AlreadyExists("ACCOUNT_EXISTS", "account", account.AccountId,
                    $"account {account.AccountId} already exists");
            if (first.Currency != account.Currency || (accountId != null && accountId != first.AccountId))
                throw RpcErrors.AlreadyExists("REQUEST_ID_REUSED", "request", requestId!.Value,
                    $"request {requestId} opened account {first.AccountId} with other content");
            return first.ToProto();
        }
    }

    public override async Task<V1.Account> GetAccount(GetAccountRequest request, ServerCallContext context)
    {
        var accountId = FieldViolations.ReadId(request.AccountId, "account_id");
        return (await FindAsync(accountId, context.CancellationToken)).ToProto();
    }

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
            return (await DepositAsync(accountId, amount!.Value, requestId, context.CancellationToken)).ToProto();
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == AccountDbContext.DepositRequestKey)
        {
            // A concurrent call with the same request id has committed; the second attempt finds its entry.
            return (await DepositAsync(accountId, amount!.Value, requestId, context.CancellationToken)).ToProto();
        }
    }

    Task<Account> DepositAsync(Guid accountId, Money amount, Guid? requestId, CancellationToken cancellationToken)
    {
        var isCommitting = false;
        return LostConnection.RepeatAsync(async () =>
        {
            db.ChangeTracker.Clear(); // of an earlier attempt
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            if (await FindDepositedAsync(accountId, amount, requestId, cancellationToken) is { } deposited)
                return deposited;
            var account = await LockAsync(accountId, amount, cancellationToken);
            db.Add(account.Deposit(amount.Amount, requestId, time.UtcNow()));
            await db.SaveChangesAsync(cancellationToken);
            isCommitting = true;
            await transaction.CommitAsync(cancellationToken);
            return account;
        }, mayRepeat: () => requestId != null || !isCommitting); // without an id, nothing shows what was committed
    }

    /// <summary>Returns the account of a deposit that was made before; null if it was not.</summary>
    async Task<Account?> FindDepositedAsync(
        Guid accountId, Money amount, Guid? requestId, CancellationToken cancellationToken)
    {
        var first = requestId == null ? null
            : await db.LedgerEntries.SingleOrDefaultAsync(x => x.RequestId == requestId, cancellationToken);
        if (first == null)
            return null;
        var deposited = await FindAsync(first.AccountId, cancellationToken);
        return (first.AccountId, first.Amount, deposited.Currency) == (accountId, amount.Amount, amount.Currency)
            ? deposited
            : throw RpcErrors.AlreadyExists("REQUEST_ID_REUSED", "request", requestId!.Value,
                $"request {requestId} deposited {first.Amount} {deposited.Currency} to account {first.AccountId}");
    }

    /// <summary>Locks and returns an account that can receive a deposit.</summary>
    async Task<Account> LockAsync(Guid accountId, Money amount, CancellationToken cancellationToken)
    {
        var account = await db.Accounts
            .FromSql($"select * from accounts where account_id = {accountId} for no key update")
            .SingleOrDefaultAsync(cancellationToken) ?? throw RpcErrors.NotFound("account", accountId);
        if (account.Currency != amount.Currency)
            throw RpcErrors.FailedPrecondition("CURRENCY_MISMATCH", $"accounts/{accountId}",
                $"account {accountId} holds {account.Currency}, the deposit is in {amount.Currency}");
        if (account.Available + account.Held + account.Captured + amount.Amount > Money.Max)
            throw RpcErrors.FailedPrecondition("BALANCE_LIMIT", $"accounts/{accountId}",
                $"the deposits of account {accountId} cannot exceed {Money.Max} in total");
        return account;
    }

    public override Task<ListAccountsResponse> ListAccounts(ListAccountsRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, context.CancellationToken);

    public override Task<ListEntriesResponse> ListEntries(ListEntriesRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, context.CancellationToken);

    public override Task<ListReservationsResponse> ListReservations(
        ListReservationsRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, context.CancellationToken);

    public override async Task<V1.Reservation> GetReservation(GetReservationRequest request, ServerCallContext context)
    {
        var orderId = FieldViolations.ReadId(request.OrderId, "order_id");
        var reservation = await db.AllReservations.SingleOrDefaultAsync(
            x => x.OrderId == orderId, context.CancellationToken);
        return reservation?.ToProto() ?? throw RpcErrors.NotFound("reservation", orderId);
    }

    async Task<Account> FindAsync(Guid accountId, CancellationToken cancellationToken) =>
        await db.Accounts.AsNoTracking().SingleOrDefaultAsync(x => x.AccountId == accountId, cancellationToken)
        ?? throw RpcErrors.NotFound("account", accountId);
}
