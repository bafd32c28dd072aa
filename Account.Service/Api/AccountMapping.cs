using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Service.Defaults;

namespace Accounts;

/// <summary>Converts accounts, ledger entries and reservations to the messages of the API.</summary>
static class AccountMapping
{
    /// <summary>Converts an account.</summary>
    public static V1.Account ToProto(this Account account) => new()
    {
        AccountId = account.AccountId.ToString(),
        CurrencyCode = account.Currency,
        Available = Money.ToProto(account.Available, account.Currency),
        Held = Money.ToProto(account.Held, account.Currency),
        Captured = Money.ToProto(account.Captured, account.Currency),
        CreateTime = account.CreateTime.ToTimestamp(),
        UpdateTime = account.UpdateTime.ToTimestamp(),
    };

    /// <summary>Converts a ledger entry.</summary>
    public static V1.Entry ToProto(this LedgerEntry entry, string currency) => new()
    {
        EntryId = entry.EntryId.ToString(CultureInfo.InvariantCulture),
        AccountId = entry.AccountId.ToString(),
        OrderId = entry.OrderId?.ToString() ?? "",
        Kind = entry.Kind switch
        {
            EntryKind.Deposit => V1.EntryKind.Deposit,
            EntryKind.Hold => V1.EntryKind.Hold,
            EntryKind.Release => V1.EntryKind.Release,
            EntryKind.Capture => V1.EntryKind.Capture,
            _ => V1.EntryKind.Unspecified, // of a newer build
        },
        Amount = Money.ToProto(entry.Amount, currency),
        AvailableAfter = Money.ToProto(entry.AvailableAfter, currency),
        HeldAfter = Money.ToProto(entry.HeldAfter, currency),
        CapturedAfter = Money.ToProto(entry.CapturedAfter, currency),
        CreateTime = entry.CreateTime.ToTimestamp(),
    };

    /// <summary>Converts a status of the API; null if it is unspecified or unknown.</summary>
    public static ReservationStatus? ToStatus(V1.ReservationStatus status) => status switch
    {
        V1.ReservationStatus.Held => ReservationStatus.Held,
        V1.ReservationStatus.Captured => ReservationStatus.Captured,
        V1.ReservationStatus.Released => ReservationStatus.Released,
        V1.ReservationStatus.Rejected => ReservationStatus.Rejected,
        _ => null,
    };

    /// <summary>Converts a reservation.</summary>
    public static V1.Reservation ToProto(this Reservation reservation) => new()
    {
        OrderId = reservation.OrderId.ToString(),
        AccountId = reservation.AccountId.ToString(),
        Amount = Money.ToProto(reservation.Amount, reservation.Currency),
        Status = reservation.Status switch
        {
            ReservationStatus.Held => V1.ReservationStatus.Held,
            ReservationStatus.Captured => V1.ReservationStatus.Captured,
            ReservationStatus.Released => V1.ReservationStatus.Released,
            ReservationStatus.Rejected => V1.ReservationStatus.Rejected,
            _ => V1.ReservationStatus.Unspecified, // of a newer build
        },
        Reason = reservation.Reason switch
        {
            Contracts.RejectionReason.InsufficientFunds => V1.RejectionReason.InsufficientFunds,
            Contracts.RejectionReason.AccountNotFound => V1.RejectionReason.AccountNotFound,
            Contracts.RejectionReason.CurrencyMismatch => V1.RejectionReason.CurrencyMismatch,
            _ => V1.RejectionReason.Unspecified,
        },
        CreateTime = reservation.CreateTime.ToTimestamp(),
        UpdateTime = reservation.UpdateTime.ToTimestamp(),
    };
}
