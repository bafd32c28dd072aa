using Contracts;
using Service.Defaults;

namespace Accounts;

/// <summary>
/// The rules for the funds of one order, without database and broker. The caller locks the account.
/// <code>
/// command        | no reservation     | Held             | Captured      | Released            | Rejected
/// ReserveFunds   | hold, or reject    | FundsReserved    | FundsReserved | ReservationRejected | same rejection
/// ReleaseFunds   | Released, amount 0 | release the hold | fault         | FundsReleased       | FundsReleased, 0
/// OrderConfirmed | fault              | capture the hold | FundsCaptured | fault               | fault
/// </code>
/// A release without a reservation leaves a Released row, so that a later ReserveFunds holds nothing.
/// </summary>
/// <param name="account">The account, or null if it does not exist.</param>
/// <param name="reservation">The order's reservation, or null if there is none yet.</param>
/// <param name="now">The time of the decision.</param>
public sealed class Funds(Account? account, Reservation? reservation, DateTime now)
{
    readonly bool _existed = reservation != null;

    /// <summary>The reservation after the command.</summary>
    public Reservation? Reservation { get; private set; } = reservation;

    /// <summary>True if the command created the reservation.</summary>
    public bool IsNew => !_existed && Reservation != null;

    /// <summary>The ledger entry of the change, or null if the command changed no balance.</summary>
    public LedgerEntry? Entry { get; private set; }

    /// <summary>True if the command changed anything.</summary>
    public bool HasChanged => IsNew || Entry != null;

    /// <summary>Applies a command. A repeated command changes nothing and returns the same event again.</summary>
    /// <returns>The event to publish.</returns>
    /// <exception cref="InvalidOperationException">
    /// The amount is invalid, or the command contradicts an earlier one. Nothing has changed.
    /// </exception>
    public object Decide(FundsCommand command)
    {
        ThrowIfContradictory(command);
        var orderId = command.OrderId;
        return (command.Message, Reservation) switch
        {
            (ReserveFunds reserve, null) => HoldOrReject(reserve),
            (ReserveFunds, { Status: ReservationStatus.Held or ReservationStatus.Captured }) =>
                new FundsReserved(orderId),
            (ReserveFunds, { Status: ReservationStatus.Released }) =>
                new ReservationRejected(orderId, RejectionReason.Released),
            (ReserveFunds, { Status: ReservationStatus.Rejected, Reason: { } reason }) =>
                new ReservationRejected(orderId, reason),

            (ReleaseFunds release, null) => ReleaseInAdvance(release),
            (ReleaseFunds, { Status: ReservationStatus.Held } held) => Release(held),
            (ReleaseFunds, { Status: ReservationStatus.Released } released) =>
                new FundsReleased(orderId, released.Amount),
            (ReleaseFunds, { Status: ReservationStatus.Rejected }) => new FundsReleased(orderId, 0),

            (OrderConfirmed, { Status: ReservationStatus.Held } held) => Capture(held),
            (OrderConfirmed, { Status: ReservationStatus.Captured }) => new FundsCaptured(orderId),

            _ => throw new InvalidOperationException(
                $"{command.Message.GetType().Name} of order {orderId} is impossible: "
                + $"its reservation is {Reservation?.Status.ToString() ?? "missing"}"),
        };
    }

    void ThrowIfContradictory(FundsCommand command)
    {
        if (command.Message is ReserveFunds reserve)
        {
            if (!Money.IsAmount(reserve.Amount))
                throw new InvalidOperationException($"order {reserve.OrderId} requests an invalid amount: "
                    + $"an amount is 0 to {Money.Max} with at most four decimals");
            if (Reservation is { Status: not ReservationStatus.Released } known && (reserve.AccountId, reserve.Amount,
                reserve.Currency) != (known.AccountId, known.Amount, known.Currency))
                throw new InvalidOperationException($"order {reserve.OrderId} requests other funds than before: "
                    + $"another {DifferenceOf(reserve, known)}");
        }
        else if (Reservation != null && Reservation.AccountId != command.AccountId)
        {
            throw new InvalidOperationException($"{command.Message.GetType().Name} of order {command.OrderId} names "
                + "another account than the order's reservation");
        }
    }

    /// <summary>What differs, without its values: amounts and accounts are not for logs.</summary>
    static string DifferenceOf(ReserveFunds reserve, Reservation known) => string.Join(" and ", new[]
    {
        reserve.AccountId != known.AccountId ? "account" : "",
        reserve.Amount != known.Amount ? "amount" : "",
        reserve.Currency != known.Currency ? "currency" : "",
    }.Where(x => x != ""));

    object HoldOrReject(ReserveFunds command)
    {
        RejectionReason? rejection = account switch
        {
            null => RejectionReason.AccountNotFound,
            // For somebody else, the account does not exist.
            _ when command.Owner != null && command.Owner != account.Owner => RejectionReason.AccountNotFound,
            _ when account.Currency != command.Currency => RejectionReason.CurrencyMismatch,
            _ when account.Available < command.Amount => RejectionReason.InsufficientFunds,
            _ => null,
        };
        if (rejection is { } reason)
        {
            Reservation = NewReservation(command.OrderId, command.AccountId, command.Amount, command.Currency,
                ReservationStatus.Rejected, reason);
            return new ReservationRejected(command.OrderId, reason);
        }

        Entry = Account.Hold(command.OrderId, command.Amount, now);
        Reservation = NewReservation(command.OrderId, command.AccountId, command.Amount, command.Currency,
            ReservationStatus.Held);
        return new FundsReserved(command.OrderId);
    }

    FundsReleased ReleaseInAdvance(ReleaseFunds command)
    {
        Reservation = NewReservation(command.OrderId, command.AccountId, 0, command.Currency,
            ReservationStatus.Released);
        return new FundsReleased(command.OrderId, 0);
    }

    FundsReleased Release(Reservation held)
    {
        Entry = Account.Release(held.OrderId, held.Amount, now);
        (held.Status, held.UpdateTime) = (ReservationStatus.Released, Entry.CreateTime);
        return new FundsReleased(held.OrderId, held.Amount);
    }

    FundsCaptured Capture(Reservation held)
    {
        Entry = Account.Capture(held.OrderId, held.Amount, now);
        (held.Status, held.UpdateTime) = (ReservationStatus.Captured, Entry.CreateTime);
        return new FundsCaptured(held.OrderId);
    }

    Account Account => account ?? throw new InvalidOperationException(
        $"the account of order {Reservation?.OrderId} no longer exists");

    Reservation NewReservation(Guid orderId, Guid accountId, decimal amount, string currency,
        ReservationStatus status, RejectionReason? reason = null) => new()
        {
            OrderId = orderId,
            AccountId = accountId,
            Amount = amount,
            Currency = currency,
            Status = status,
            Reason = reason,
            CreateTime = Entry?.CreateTime ?? now,
            UpdateTime = Entry?.CreateTime ?? now,
        };
}
