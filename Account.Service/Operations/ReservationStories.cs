using Google.Protobuf.WellKnownTypes;
using Microsoft.EntityFrameworkCore;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The method GetReservationStory.</summary>
sealed class ReservationStories(AccountDbContext db, AccountLocks locks)
{
    /// <summary>Reads what is recorded about an order.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ReservationStory> ReadAsync(
        GetReservationStoryRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var orderId = violations.Id(request.OrderId, "order_id");
        var accountId = violations.OptionalId(request.AccountId, "account_id");
        violations.ThrowIfAny();
        OrderSpanTag.Set(orderId);
        var reservation = await db.AllReservations.SingleOrDefaultAsync(
            x => x.OrderId == orderId, cancellationToken);
        var entries = await db.AllLedgerEntries.Where(x => x.OrderId == orderId).ToListAsync(cancellationToken);
        return new ReservationStory
        {
            Reservation = reservation == null ? null : ToRecord(reservation),
            Entries = { entries.OrderBy(x => x.EntryId).Select(x => ToRecord(x, reservation?.Currency ?? "")) },
            PendingMessages = { await PendingMessages.FindAsync(db, orderId, cancellationToken) },
            AccountLock = (reservation?.AccountId ?? accountId) is { } account
                ? await locks.FindAsync(account, cancellationToken) : "",
        };
    }

    static ReservationRecord ToRecord(Reservation reservation) => new()
    {
        OrderId = $"{reservation.OrderId}",
        AccountId = $"{reservation.AccountId}",
        Status = $"{reservation.Status}",
        Reason = reservation.Reason?.ToString() ?? "",
        Amount = Money.ToProto(reservation.Amount, reservation.Currency),
        CreateTime = reservation.CreateTime.ToTimestamp(),
        UpdateTime = reservation.UpdateTime.ToTimestamp(),
    };

    static EntryRecord ToRecord(LedgerEntry entry, string currency) => new()
    {
        EntryId = entry.EntryId,
        AccountId = $"{entry.AccountId}",
        OrderId = $"{entry.OrderId}",
        Kind = $"{entry.Kind}",
        Amount = Money.ToProto(entry.Amount, currency),
        AvailableAfter = Money.ToProto(entry.AvailableAfter, currency),
        HeldAfter = Money.ToProto(entry.HeldAfter, currency),
        CapturedAfter = Money.ToProto(entry.CapturedAfter, currency),
        CreateTime = entry.CreateTime.ToTimestamp(),
    };
}
