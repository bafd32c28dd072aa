using System.Text.Json.Serialization.Metadata;

namespace Saga.Twin;

/// <summary>Confirms orders whose funds are reserved.</summary>
sealed class FundsReservedHandler : IMessageHandler<FundsReserved>
{
    const string ConfirmOrders = """
        with new_messages as materialized (
            select * from unnest($1, $2, $3, $4) as m (message_id, order_id, reply_id, reply)
            where not exists (select from inbox i where i.message_id = m.message_id)),
        received as (insert into inbox (message_id) select message_id from new_messages),
        confirmed as (
            update orders o set current_state = 'Confirmed', update_time = now()
            from new_messages m where o.order_id = m.order_id and o.current_state = 'Pending'),
        replied as (
            insert into outbox (message_id, inbox_message_id, queue, body)
            select reply_id, message_id, $5, reply from new_messages)
        select message_id from new_messages
        """;

    public string Queue => Queues.FundsReserved;

    public JsonTypeInfo<FundsReserved> Json => MessageJson.Default.FundsReserved;

    public HandledBatch Handle(IReadOnlyList<ReceivedMessage<FundsReserved>> messages)
    {
        OutgoingMessage[] replies = [.. messages.Select(x => OutgoingMessage.Create(Queues.OrderConfirmed,
            new OrderConfirmed(x.Message.OrderId), MessageJson.Default.OrderConfirmed))];
        return new HandledBatch(Postgres.Statement(ConfirmOrders,
            messages.Select(x => x.Id).ToArray(), messages.Select(x => x.Message.OrderId).ToArray(),
            replies.Select(x => x.Id).ToArray(), replies.Select(x => x.Body).ToArray(),
            Queues.OrderConfirmed), replies);
    }
}
