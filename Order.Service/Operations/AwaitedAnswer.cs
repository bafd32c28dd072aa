using Contracts;
using Operations.V1;

namespace Orders;

/// <summary>What the orders in a state wait for.</summary>
/// <param name="State">The state.</param>
/// <param name="Message">The name of the message that they wait for.</param>
/// <param name="Queue">The queue of the command whose answer it is, or of the message itself.</param>
/// <param name="Advice">A sentence for operators: what would help.</param>
sealed record AwaitedAnswer(string State, string Message, string Queue, string Advice)
{
    /// <summary>An order that only a build from before CreateOrder took the first step has left.</summary>
    const string Initial = "Initial";

    /// <summary>The answers that orders can wait for.</summary>
    public static readonly IReadOnlyList<AwaitedAnswer> All =
    [
        new(Initial, nameof(OrderSubmitted), OrderStateMachine.AnswersQueue.AbsolutePath,
            "Check that Order consumes order-state. Redrive begins the orders whose message was lost."),
        new(nameof(OrderStateMachine.Reserving), nameof(FundsReserved),
            OrderStateMachine.ReserveFundsQueue.AbsolutePath,
            "Check that Account runs, and that reserve-funds is consumed and neither paused nor full. Redrive sends "
            + "ReserveFunds again; orders whose time is over are cancelled instead."),
        new(nameof(OrderStateMachine.Cancelling), nameof(FundsReleased),
            OrderStateMachine.ReleaseFundsQueue.AbsolutePath,
            "Check that Account runs, that release-funds is consumed, and the error queues. The funds stay held until "
            + "Account has answered. Redrive sends ReleaseFunds again."),
        new(nameof(OrderStateMachine.Confirmed), nameof(OrdersCaptured),
            OrderStateMachine.CaptureFundsQueue.AbsolutePath,
            "Check that Account runs, that capture-funds and orders-captured are consumed, and the error queues. The "
            + "orders are paid for their clients. Redrive asks for the capture again."),
    ];

    /// <summary>The SQL condition for an order that waits; no index fits it.</summary>
    public static readonly string Filter = $"(current_state = '{Initial}' or {OrderStateMap.AwaitingFilter})";

    /// <summary>
    /// A query of all orders that wait, by the indexes ix_orders_resend and ix_orders_current_state_order_id.
    /// </summary>
    /// <param name="columns">The columns that it returns.</param>
    /// <param name="condition">A further condition.</param>
    public static string Query(string columns, string condition) => $"""
        select {columns} from orders
        where {OrderStateMap.AwaitingFilter} and resend_time >= '-infinity' and {condition}
        union all select {columns} from orders where current_state = '{Initial}' and {condition}
        """;

    /// <summary>What an order waits for; null if it waits for nothing.</summary>
    public static AwaitedAnswer? Of(string state, DateTime? resendTime) =>
        state == Initial || resendTime != null ? All.FirstOrDefault(x => x.State == state) : null;

    /// <summary>Orders of this state that have waited for too long.</summary>
    public StuckGroup ToStuckGroup() => new() { Message = Message, Queue = Queue, Advice = Advice };
}
