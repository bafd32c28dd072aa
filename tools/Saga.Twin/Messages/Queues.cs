namespace Saga.Twin;

/// <summary>The names of the queues; each has one type of message and one consumer.</summary>
static class Queues
{
    public const string ReserveFunds = "twin-reserve-funds";
    public const string FundsReserved = "twin-funds-reserved";
    public const string OrderConfirmed = "twin-order-confirmed";

    public static IReadOnlyList<string> All { get; } = [ReserveFunds, FundsReserved, OrderConfirmed];
}
