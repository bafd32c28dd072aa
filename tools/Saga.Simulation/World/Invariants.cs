using Accounts;
using Orders;

namespace Saga.Simulation;

/// <summary>The invariants I1 to I9 of the design, checked at each change of a row and at the end of the run.</summary>
sealed class Invariants(World world)
{
    const int MaxViolations = 20;

    readonly List<string> _violations = [];

    public IReadOnlyList<string> Violations => _violations;

    public void Violated(string violation)
    {
        if (_violations.Count < MaxViolations)
            _violations.Add(violation);
        world.Trace($"VIOLATION {violation}");
    }

    public void OrderAcknowledged(ClientOrder client, Guid orderId)
    {
        if (client.AcknowledgedId is { } earlier && earlier != orderId)
            Violated($"I7: {client} created {earlier:N} and {orderId:N}");
        client.AcknowledgedId = orderId;
        if (world.Orders.Find(orderId) == null)
            Violated($"I6: order {orderId:N} was acknowledged but does not exist");
    }

    public void OrderChanged(OrderState before, OrderState after)
    {
        if (OrderMapping.ToStatus(before.CurrentState).IsTerminal() && before.CurrentState != after.CurrentState)
            Violated($"I5: order {before.CorrelationId:N} changed from {before.CurrentState} to {after.CurrentState}");
        var status = ReservationOf(after);
        var isConsistent = after.CurrentState switch
        {
            "Confirmed" => status is ReservationStatus.Held or ReservationStatus.Captured,
            "Rejected" => status is ReservationStatus.Rejected,
            "Cancelled" => status is ReservationStatus.Rejected or ReservationStatus.Released,
            _ => true,
        };
        if (!isConsistent)
            Violated($"I4: order {after.CorrelationId:N} becomes {after.CurrentState}, "
                + $"its reservation is {Name(status)}");
        if (after.Reason == OrderReason.TimedOut && before.Reason == null
            && world.Now < after.CreateTime + StateMachineRunner.Timeout)
            Violated($"order {after.CorrelationId:N} timed out after {(world.Now - after.CreateTime).TotalSeconds} s, "
                + $"its timeout is {StateMachineRunner.Timeout.TotalSeconds} s");
    }

    public void ReservationChanged(Reservation? before, Reservation after)
    {
        if (before is { Status: not ReservationStatus.Held }
            && (before.Status, before.Amount) != (after.Status, after.Amount))
            Violated($"{(before.Status == ReservationStatus.Released ? "I8" : "I3")}: "
                + $"the reservation of order {after.OrderId:N} changed from {before.Status} to {after.Status}");
        if (before is { Status: ReservationStatus.Held } && after.Status is ReservationStatus.Held)
            Violated($"I3: the funds of order {after.OrderId:N} are held twice");
    }

    public void AccountChanged(Account account, decimal deposits)
    {
        if (account.Available < 0 || account.Held < 0)
            Violated($"I2: account {account.AccountId:N} has {account.Available} available and {account.Held} held");
        if (account.Available + account.Held + account.Captured != deposits)
            Violated($"I1: account {account.AccountId:N} has deposits of {deposits}, "
                + $"but {account.Available} + {account.Held} + {account.Captured}");
    }

    public void CheckAtEnd()
    {
        foreach (var order in world.Orders.All)
        {
            var status = ReservationOf(order);
            if (!OrderMapping.ToStatus(order.CurrentState).IsTerminal())
                Violated($"I6: order {order.CorrelationId:N} is still {order.CurrentState}");
            else if (order.ResendTime != null)
                Violated($"I4: order {order.CorrelationId:N} is {order.CurrentState} and still waits for Account");
            else if (order.CurrentState == "Confirmed" != (status == ReservationStatus.Captured))
                Violated($"I4: order {order.CorrelationId:N} is {order.CurrentState}, "
                    + $"its reservation is {Name(status)}");
        }

        var repeated = world.Partitions.SelectMany(x => x.Ledger).Where(x => x.OrderId != null)
            .GroupBy(x => (x.OrderId, x.Kind)).Where(x => x.Count() > 1);
        foreach (var entries in repeated)
            Violated($"I3: order {entries.Key.OrderId:N} has {entries.Count()} {entries.Key.Kind} entries");
        foreach (var (account, _) in world.Partitions.SelectMany(x => x.All)
            .Where(x => x.Account.Held != 0))
            Violated($"I4: account {account.AccountId:N} still holds {account.Held}");
        foreach (var row in world.Databases.SelectMany(x => x.Outbox.Values))
            Violated($"I9: {row.Content} is still in an outbox{(row.Parked == null ? "" : ", parked")}");
        // The saga heals the loss of a message that the broker has confirmed; the outbox must lose none before that.
        var sent = world.Published.SelectMany(x => x.Messages).Select(x => x.MessageId).ToHashSet();
        foreach (var message in world.Databases.SelectMany(x => x.Committed.Values))
            if (!sent.Contains(message.MessageId))
                Violated($"I9: {message.Content} was committed and never sent");
            else if (SimBroker.QueueOf(message.Content) != null && !IsConsumed(message.MessageId))
                Violated($"I9: {message.Content} was sent and never consumed");
        if (!world.Broker.IsEmpty)
            Violated("I9: a queue is not empty");
    }

    /// <summary>While nothing fails, no message is sent twice.</summary>
    public void CheckSentOnce()
    {
        foreach (var copies in world.Published.SelectMany(x => x.Messages).GroupBy(x => x.MessageId)
            .Where(x => x.Count() > 1))
            Violated($"{copies.First().Content} was sent {copies.Count()} times, although nothing had failed");
    }

    /// <summary>Whether a message was consumed, or the broker has lost it.</summary>
    bool IsConsumed(Guid messageId) => world.Lost.Contains(messageId)
        || world.Databases.Any(x => x.Consumed.Contains(messageId));

    ReservationStatus? ReservationOf(OrderState order) =>
        world.AccountsOf(order.AccountId).Reservations.GetValueOrDefault(order.CorrelationId)?.Status;

    static string Name(ReservationStatus? status) => status?.ToString() ?? "missing";
}
