using Google.Protobuf.WellKnownTypes;
using Orders.V1;
using Service.Defaults;

namespace Orders;

/// <summary>A committed change of an order's status.</summary>
/// <param name="State">The new state of <see cref="OrderStateMachine" />.</param>
/// <param name="Reason">The name of an <see cref="OrderReason" />, or empty.</param>
/// <param name="UpdateTime">The time of the change, on the clock of the replica that made it.</param>
sealed record OrderChange(string State, string Reason, DateTime UpdateTime)
{
    /// <summary>Applies the change to an order; returns false if the order already has it, or a later one.</summary>
    public bool ApplyTo(Order order)
    {
        // The status decides, because it only moves forward; the clocks of replicas differ.
        var status = OrderMapping.ToStatus(State);
        if (status == order.Status || order.Status.IsTerminal() || status == OrderStatus.Pending)
            return false;
        order.Status = status;
        order.Reason = OrderMapping.ToProto(Reason == "" ? null : NamedEnumConverter<OrderReason>.Parse(Reason));
        order.UpdateTime = UpdateTime.ToTimestamp();
        return true;
    }
}
