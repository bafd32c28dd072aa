using Contracts;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// The rules of an order's funds: what each command does to the reservation as it stands. Decides in memory, on a
/// locked account; touches neither database nor broker.
/// </summary>
/// <param name="account">The account, or null if there is none.</param>
/// <param name="reservation">The order's reservation, or null if nothing was decided yet.</param>
/// <param name="now">The time of what is decided.</param>
public sealed class Funds(Account? account, Reservation? reservation, DateTime now)
{
    readonly bool _wasDecided = reservation != null;

    /// <summary>The reservation after the command.</summary>
    public Reservation? Reservation { get; private set; } = reservation;

    /// <summary>True if the command made the reservation.</summary>
    public bool IsNew => !_wasDecided && Reservation != null;

    /// <summary>The change of balances that the command made, or null if it made none.</summary>
    public LedgerEntry? Entry { get; private set; }

    /// <summary>True if the command changed anything.</summary>
    public bool HasChanged => IsNew || Entry != null;

    /// <summary>Decides a command; answers what is to be published, or null.</summary>
    /// <exception cref="InvalidOperationException">The command cannot be; nothing has changed.</exception>
    public object? Decide(FundsCommand command)
    {
        switch (command.Message)
        {
            case ReserveFunds reserve:
                return Reserve(reserve);
            case ReleaseFunds release:
                return Release(release);
            default:
                Capture((OrderConfirmed)command.Message);
                return null;
        }
    }

    /// <summary>Holds the order's total, once; answers <see cref="FundsReserved" /> or <see cref="ReservationRejected" />.</summary>
    /// <exception cref="InvalidOperationException">It is no amount of money; or the order asked before, for another amount or account.</exception>
    public object Reserve(ReserveFunds command)
    {
        if (!Money.IsAmount(command.Amount))
            throw new InvalidOperationException($"order {command.OrderId} asks for {command.Amount}: an amount is 0 to {Money.Max}, with at most four decimals");
        if (Reservation is { Status: not ReservationStatus.Released } known
            && (known.AccountId, known.Amount, known.Currency) != (command.AccountId, command.Amount, command.Currency))
            throw new InvalidOperationException(
                $"order {command.OrderId} asks for {command.Amount} {command.Currency} of account {command.AccountId}, but asked for {known.Amount} {known.Currency} of {known.AccountId} before");

        return Reservation switch
        {
            null when Rejection(command) is { } reason => Reject(command, reason),
            null => Hold(command),
            { Status: ReservationStatus.Held or ReservationStatus.Captured } => new FundsReserved(command.OrderId),
            { Status: ReservationStatus.Released } => new ReservationRejected(command.OrderId, RejectionReason.Released),
            { Status: ReservationStatus.Rejected, Reason: { } reason } => new ReservationRejected(command.OrderId, reason),
            var other => throw new InvalidOperationException($"reservation of order {command.OrderId} is {other.Status} without a reason"),
        };
    }

    /// <summary>Gives back what is held, and sees to it that nothing will be; answers <see cref="FundsReleased" />.</summary>
    /// <exception cref="InvalidOperationException">The funds are captured: the order was confirmed; or they are another account's.</exception>
    public FundsReleased Release(ReleaseFunds command)
    {
        MustBeOf(command.OrderId, command.AccountId);
        switch (Reservation)
        {
            case null:
                Reservation = New(command.OrderId, command.AccountId, 0, command.Currency, ReservationStatus.Released);
                return new FundsReleased(command.OrderId, 0);
            case { Status: ReservationStatus.Held } held:
                Entry = Account.Release(held.OrderId, held.Amount, now);
                Become(ReservationStatus.Released);
                return new FundsReleased(command.OrderId, held.Amount);
            case { Status: ReservationStatus.Released or ReservationStatus.Rejected } over:
                return new FundsReleased(command.OrderId, over.Status == ReservationStatus.Released ? over.Amount : 0);
            default:
                throw Impossible(command.OrderId, "released");
        }
    }

    /// <summary>Spends what is held for a confirmed order.</summary>
    /// <exception cref="InvalidOperationException">Nothing is held: the order cannot have been confirmed; or it is another account's.</exception>
    public void Capture(OrderConfirmed order)
    {
        MustBeOf(order.OrderId, order.AccountId);
        switch (Reservation)
        {
            case { Status: ReservationStatus.Held } held:
                Entry = Account.Capture(held.OrderId, held.Amount, now);
                Become(ReservationStatus.Captured);
                break;
            case { Status: ReservationStatus.Captured }:
                break;
            default:
                throw Impossible(order.OrderId, "captured");
        }
    }

    void MustBeOf(Guid orderId, Guid accountId)
    {
        if (Reservation is { } known && known.AccountId != accountId)
            throw new InvalidOperationException($"order {orderId} is paid by account {known.AccountId}, not by {accountId}");
    }

    Account Account => account ?? throw new InvalidOperationException($"account {Reservation?.AccountId} of order {Reservation?.OrderId} is gone");

    RejectionReason? Rejection(ReserveFunds command) => account switch
    {
        null => RejectionReason.AccountNotFound,
        _ when account.Currency != command.Currency => RejectionReason.CurrencyMismatch,
        _ when account.Available < command.Amount => RejectionReason.InsufficientFunds,
        _ => null,
    };

    FundsReserved Hold(ReserveFunds command)
    {
        Entry = Account.Hold(command.OrderId, command.Amount, now);
        Reservation = New(command.OrderId, command.AccountId, command.Amount, command.Currency, ReservationStatus.Held);
        return new FundsReserved(command.OrderId);
    }

    ReservationRejected Reject(ReserveFunds command, RejectionReason reason)
    {
        Reservation = New(command.OrderId, command.AccountId, command.Amount, command.Currency, ReservationStatus.Rejected, reason);
        return new ReservationRejected(command.OrderId, reason);
    }

    Reservation New(Guid orderId, Guid accountId, decimal amount, string currency, ReservationStatus status, RejectionReason? reason = null) => new()
    {
        OrderId = orderId,
        AccountId = accountId,
        Amount = amount,
        Currency = currency,
        Status = status,
        Reason = reason,
        CreateTime = now,
        UpdateTime = now,
    };

    void Become(ReservationStatus status) => (Reservation!.Status, Reservation.UpdateTime) = (status, now);

    InvalidOperationException Impossible(Guid orderId, string verb) =>
        new($"the funds of order {orderId} cannot be {verb}: its reservation is {Reservation?.Status.ToString() ?? "missing"}");
}
