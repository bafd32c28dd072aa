using Orders.V1;

namespace Saga.Services;

/// <summary>Classifies the statuses of the API.</summary>
public static class OrderStatusExtensions
{
    /// <summary>Whether an order with this status never changes again.</summary>
    public static bool IsTerminal(this OrderStatus status) =>
        status is OrderStatus.Confirmed or OrderStatus.Rejected or OrderStatus.Cancelled;
}
