using System.Diagnostics.Metrics;

namespace Accounts;

/// <summary>The counter of the meter <c>Account.Service</c>. A measurement allocates nothing.</summary>
static class FundsMetrics
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Account.Service";

    static readonly Meter Meter = new(MeterName);

    static readonly Counter<long> Reservations = Meter.CreateCounter<long>("account.reservations", "{reservation}",
        "Reservations that have entered a status");

    static readonly Dictionary<ReservationStatus, KeyValuePair<string, object?>> Statuses =
        Enum.GetValues<ReservationStatus>().ToDictionary(
            x => x, x => new KeyValuePair<string, object?>("account.reservation.status", $"{x}"));

    /// <summary>A reservation enters its status, if its group is committed; a group that fails decides again.</summary>
    public static void Decided(Reservation reservation) => Reservations.Add(1, Statuses[reservation.Status]);
}
