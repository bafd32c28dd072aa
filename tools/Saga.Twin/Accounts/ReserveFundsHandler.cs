using System.Text.Json.Serialization.Metadata;

namespace Saga.Twin;

/// <summary>Debits accounts and reserves the amounts. An account without the funds fails the transaction.</summary>
sealed class ReserveFundsHandler : IMessageHandler<ReserveFunds>
{
    const string HoldFunds = """
        with new_messages as materialized (
            select * from unnest($1, $2, $3, $4, $5, $6)
                as m (message_id, order_id, account_id, amount, reply_id, reply)
            where not exists (select from inbox i where i.message_id = m.message_id)),
        received as (insert into inbox (message_id) select message_id from new_messages),
        debited as (
            update accounts a set balance = balance - d.amount
            from (select account_id, sum(amount) as amount from new_messages group by account_id) as d
            where a.account_id = d.account_id),
        reserved as (
            insert into reservations (order_id, account_id, amount, status)
            select order_id, account_id, amount, 'Held' from new_messages),
        entered as (
            insert into ledger_entries (account_id, order_id, kind, amount)
            select account_id, order_id, 'Hold', amount from new_messages),
        replied as (
            insert into outbox (message_id, inbox_message_id, queue, body)
            select reply_id, message_id, $7, reply from new_messages)
        select message_id from new_messages
        """;

    public string Queue => Queues.ReserveFunds;

    public JsonTypeInfo<ReserveFunds> Json => MessageJson.Default.ReserveFunds;

    public HandledBatch Handle(IReadOnlyList<ReceivedMessage<ReserveFunds>> messages)
    {
        OutgoingMessage[] replies = [.. messages.Select(x => OutgoingMessage.Create(Queues.FundsReserved,
            new FundsReserved(x.Message.OrderId), MessageJson.Default.FundsReserved))];
        return new HandledBatch(Postgres.Statement(HoldFunds,
            messages.Select(x => x.Id).ToArray(), messages.Select(x => x.Message.OrderId).ToArray(),
            messages.Select(x => x.Message.AccountId).ToArray(), messages.Select(x => x.Message.Amount).ToArray(),
            replies.Select(x => x.Id).ToArray(), replies.Select(x => x.Body).ToArray(),
            Queues.FundsReserved), replies);
    }
}
