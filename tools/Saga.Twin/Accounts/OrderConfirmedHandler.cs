using System.Text.Json.Serialization.Metadata;

namespace Saga.Twin;

/// <summary>Captures the reservations of confirmed orders.</summary>
sealed class OrderConfirmedHandler : IMessageHandler<OrderConfirmed>
{
    const string CaptureFunds = """
        with new_messages as materialized (
            select * from unnest($1, $2) as m (message_id, order_id)
            where not exists (select from inbox i where i.message_id = m.message_id)),
        received as (insert into inbox (message_id) select message_id from new_messages),
        captured as (
            update reservations r set status = 'Captured', update_time = now()
            from new_messages m where r.order_id = m.order_id and r.status = 'Held'
            returning r.account_id, r.order_id, r.amount),
        entered as (
            insert into ledger_entries (account_id, order_id, kind, amount)
            select account_id, order_id, 'Capture', amount from captured)
        select message_id from new_messages
        """;

    public string Queue => Queues.OrderConfirmed;

    public JsonTypeInfo<OrderConfirmed> Json => MessageJson.Default.OrderConfirmed;

    public HandledBatch Handle(IReadOnlyList<ReceivedMessage<OrderConfirmed>> messages) =>
        new(Postgres.Statement(CaptureFunds, messages.Select(x => x.Id).ToArray(),
            messages.Select(x => x.Message.OrderId).ToArray()), []);
}
