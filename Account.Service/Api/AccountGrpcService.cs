using Accounts.V1;
using Grpc.Core;
using Messaging.Postgres;
using Microsoft.AspNetCore.Authorization;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>The API of <c>proto/accounts/v1/accounts.proto</c>, which documents the methods.</summary>
sealed class AccountGrpcService(AccountDbContext db, IUnitOfWork<AccountDbContext> unitOfWork, AccountLists lists,
    Callers callers, TimeProvider time) : AccountService.AccountServiceBase
{
    [Authorize(Scopes.OpenAccounts)]
    public override async Task<V1.Account> OpenAccount(OpenAccountRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        if (!Money.IsCurrency(request.CurrencyCode))
            violations.Add("currency_code", Money.CurrencyExpectation);
        violations.ThrowIfAny();

        var caller = callers.Of(context);
        var remembered = caller.Remember(requestId);
        var now = time.UtcNow();
        var account = new Account
        {
            AccountId = accountId ?? Guid.CreateVersion7(time.GetUtcNow()),
            Currency = request.CurrencyCode,
            Owner = caller.Owner,
            OpenedBy = caller.Subject,
            RequestId = remembered,
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
                x => (remembered != null && x.RequestId == remembered)
                    || (x.AccountId == account.AccountId && x.RequestId == remembered && x.CreateTime == now),
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

    [Authorize(Scopes.ReadAccounts)]
    public override async Task<V1.Account> GetAccount(GetAccountRequest request, ServerCallContext context)
    {
        var accountId = FieldViolations.ReadId(request.AccountId, "account_id");
        return (await FindAsync(accountId, callers.Of(context), context.CancellationToken)).ToProto();
    }

    [Authorize(Scopes.Deposit)]
    public override async Task<V1.Account> Deposit(DepositRequest request, ServerCallContext context)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        var amount = Money.Read(request.Amount, "amount", violations);
        if (amount is { Amount: 0 })
            violations.Add("amount", "must be more than zero");
        violations.ThrowIfAny();

        var deposit = new NewDeposit(accountId, amount!.Value, requestId, callers.Of(context));
        try
        {
            return (await DepositAsync(deposit, context.CancellationToken)).ToProto();
        }
        catch (DbUpdateException e) when (PostgresErrors.ViolatedConstraint(e) == AccountDbContext.DepositRequestKey)
        {
            // A concurrent call with the same request id has committed; the second attempt finds its entry.
            return (await DepositAsync(deposit, context.CancellationToken)).ToProto();
        }
    }

    Task<Account> DepositAsync(NewDeposit deposit, CancellationToken cancellationToken)
    {
        var isCommitting = false;
        return LostConnection.RepeatAsync(async () =>
        {
            db.ChangeTracker.Clear(); // of an earlier attempt
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            if (await FindDepositedAsync(deposit, cancellationToken) is { } deposited)
                return deposited;
            var account = await LockAsync(deposit, cancellationToken);
            db.Add(account.Deposit(
                deposit.Amount.Amount, deposit.Remembered, deposit.Caller.Subject, time.UtcNow()));
            await db.SaveChangesAsync(cancellationToken);
            isCommitting = true;
            await transaction.CommitAsync(cancellationToken);
            return account;
            // Without an id, nothing shows what was committed.
        }, mayRepeat: () => deposit.RequestId != null || !isCommitting);
    }

    /// <summary>Returns the account of a deposit that was made before; null if it was not.</summary>
    async Task<Account?> FindDepositedAsync(NewDeposit deposit, CancellationToken cancellationToken)
    {
        var first = deposit.Remembered is { } remembered
            ? await db.LedgerEntries.SingleOrDefaultAsync(x => x.RequestId == remembered, cancellationToken) : null;
        if (first == null)
            return null;
        var deposited = await FindAsync(first.AccountId, deposit.Caller, cancellationToken);
        return (first.AccountId, first.Amount, deposited.Currency)
                == (deposit.AccountId, deposit.Amount.Amount, deposit.Amount.Currency)
            ? deposited
            : throw RpcErrors.AlreadyExists("REQUEST_ID_REUSED", "request", deposit.RequestId!.Value,
                $"request {deposit.RequestId} deposited {first.Amount} {deposited.Currency} to account "
                + $"{first.AccountId}");
    }

    /// <summary>Locks and returns an account that can receive a deposit.</summary>
    async Task<Account> LockAsync(NewDeposit deposit, CancellationToken cancellationToken)
    {
        var (accountId, amount) = (deposit.AccountId, deposit.Amount);
        // Nobody can lock what others own.
        await FindAsync(accountId, deposit.Caller, cancellationToken);
        var account = await db.Accounts
            .FromSql($"select * from accounts where account_id = {accountId} for no key update")
            .SingleAsync(cancellationToken);
        if (account.Currency != amount.Currency)
            throw RpcErrors.FailedPrecondition("CURRENCY_MISMATCH", $"accounts/{accountId}",
                $"account {accountId} holds {account.Currency}, the deposit is in {amount.Currency}");
        if (account.Available + account.Held + account.Captured + amount.Amount > Money.Max)
            throw RpcErrors.FailedPrecondition("BALANCE_LIMIT", $"accounts/{accountId}",
                $"the deposits of account {accountId} cannot exceed {Money.Max} in total");
        return account;
    }

    [Authorize(Scopes.ReadAccounts)]
    public override Task<ListAccountsResponse> ListAccounts(ListAccountsRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, callers.Of(context), context.CancellationToken);

    [Authorize(Scopes.ReadAccounts)]
    public override Task<ListEntriesResponse> ListEntries(ListEntriesRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, callers.Of(context), context.CancellationToken);

    [Authorize(Scopes.ReadAccounts)]
    public override Task<ListReservationsResponse> ListReservations(
        ListReservationsRequest request, ServerCallContext context) =>
        lists.ReadAsync(request, callers.Of(context), context.CancellationToken);

    [Authorize(Scopes.ReadAccounts)]
    public override async Task<V1.Reservation> GetReservation(GetReservationRequest request, ServerCallContext context)
    {
        var orderId = FieldViolations.ReadId(request.OrderId, "order_id");
        var reservation = await db.AllReservations.SingleOrDefaultAsync(
            x => x.OrderId == orderId, context.CancellationToken);
        return reservation != null && await IsSeenAsync(reservation, callers.Of(context), context.CancellationToken)
            ? reservation.ToProto() : throw RpcErrors.NotFound("reservation", orderId);
    }

    /// <summary>Whether the caller may see the account that a reservation is about, which need not exist.</summary>
    async Task<bool> IsSeenAsync(Reservation reservation, Caller caller, CancellationToken cancellationToken) =>
        caller.IsAdministrator || await db.Accounts.AnyAsync(
            x => x.AccountId == reservation.AccountId && x.Owner == caller.Owner, cancellationToken);

    async Task<Account> FindAsync(Guid accountId, Caller caller, CancellationToken cancellationToken) =>
        await db.Accounts.AsNoTracking().SingleOrDefaultAsync(x => x.AccountId == accountId, cancellationToken)
            is { } account && caller.Sees(account.Owner) ? account : throw RpcErrors.NotFound("account", accountId);

    /// <summary>A validated Deposit request.</summary>
    /// <param name="AccountId">The account.</param>
    /// <param name="Amount">More than zero.</param>
    /// <param name="RequestId">The client's id of the request, or null.</param>
    /// <param name="Caller">Who deposits.</param>
    sealed record NewDeposit(Guid AccountId, Money Amount, Guid? RequestId, Caller Caller)
    {
        /// <summary>The id under which the request is remembered.</summary>
        public Guid? Remembered { get; } = Caller.Remember(RequestId);
    }
}
