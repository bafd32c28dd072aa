using Accounts;
using Contracts;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Inbox;
using Orders;

namespace Saga.Simulation;

/// <summary>The steps of one delivery on the simulated servers.</summary>
sealed class SimReceiveAttempt(Replica replica, World world, SimDatabase database, string queue, QueuedMessage message)
    : IReceiveAttempt
{
    static readonly Dictionary<string, Guid> ConsumerIds = new()
    {
        [SimBroker.OrderStateQueue] = new("00000000-0000-0000-0000-000000000001"),
        [SimBroker.ReserveFundsQueue] = new("00000000-0000-0000-0000-000000000002"),
        [SimBroker.ReleaseFundsQueue] = new("00000000-0000-0000-0000-000000000003"),
        [SimBroker.CaptureFundsQueue] = new("00000000-0000-0000-0000-000000000004"),
        [SimBroker.OrdersCapturedQueue] = new("00000000-0000-0000-0000-000000000005"),
    };

    (OrderState Order, OrderState Loaded, int Version)? _loaded;
    SimTransaction _transaction = NewTransaction(replica, world, message);

    public bool IsRedelivered => message.Redelivered;
    public bool IsCommitted { get; private set; }
    public IReadOnlyList<OutboxMessage> Captured => _transaction.Messages.FindAll(x => !x.IsDelayed);

    Guid InboxId => world.Mutant == Mutant.BatchKeyedAsOne ? message.BatchId ?? message.MessageId : message.MessageId;

    public Task<bool> IsConsumed() =>
        replica.Query("read the inbox", () => database.IsConsumed(InboxId, queue));

    public async Task HandleAndCommit()
    {
        if (world.Mutant != Mutant.RetryInsideTransaction)
            _transaction = NewTransaction(replica, world, message);
        (_transaction.Consumed, _transaction.InboxId) = ((message.MessageId, queue), InboxId);
        if (queue is SimBroker.OrderStateQueue or SimBroker.OrdersCapturedQueue)
            await HandleAndCommitOrder((OrderDatabase)database);
        else
            await HandleAndCommitFunds();
        IsCommitted = true;
        if (world.Mutant == Mutant.SendBeforeCommit)
            _transaction.Messages.RemoveAll(x => !x.IsDelayed);
    }

    async Task HandleAndCommitOrder(OrderDatabase orders)
    {
        if (message.Content is OrdersCaptured captures)
        {
            orders.RecordCaptures(_transaction, captures.OrderIds);
            await replica.Commit(_transaction);
            return;
        }

        await HandleOrder(orders);
        await Complete();
        await replica.Commit(_transaction);
    }

    async Task HandleAndCommitFunds()
    {
        var command = FundsCommand.Of(message.Content, sharesAnswer: true);
        var row = world.Mutant == Mutant.QuarantineShared ? database : (object)command.AccountId;
        var request = new SimFundsRequest(command, database, row, replica.Later);
        var member = new SimMember(_transaction, request);
        replica.Groups.Enqueue(member);
        try
        {
            var decision = await request.Decision;
            await replica.Handle(message);
            if (decision.Answer is { } answer)
                _transaction.Messages.Add(world.NewMessage(answer, replica.Clock.UtcNow));
            await Complete();
        }
        catch when (world.Mutant != Mutant.FailedHandlersCommitted)
        {
            request.HandlerFailed();
            throw;
        }
        catch
        {
            request.HandlerCompleted();
            throw;
        }

        request.HandlerCompleted();
        await member.Committed;
    }

    /// <summary>What follows the handler.</summary>
    async Task Complete()
    {
        foreach (var captured in _transaction.Messages)
            (captured.InboxMessageId, captured.InboxConsumerId) = (InboxId, ConsumerIds[queue]);
        if (world.Mutant == Mutant.SendBeforeCommit)
            await Send(Captured);
    }

    static SimTransaction NewTransaction(Replica replica, World world, QueuedMessage message) =>
        replica.NewTransaction(world.IsTraced ? $"{message.Content}" : "");

    async Task HandleOrder(OrderDatabase orders)
    {
        var id = message.Content switch
        {
            FundsReserved x => x.OrderId,
            ReservationRejected x => x.OrderId,
            FundsReleased x => x.OrderId,
            ReservationTimedOut x => x.OrderId,
            var other => throw new InvalidOperationException($"order-state does not consume {other}"),
        };
        if (_loaded == null || world.Mutant != Mutant.RetryInsideTransaction)
        {
            var found = await replica.Query($"load {id:N} for {message.Content}", () => orders.Find(id));
            _loaded = found is var (order, version) ? (order, OrderDatabase.Copy(order), version)
                : throw new InvalidOperationException($"order {id} does not exist");
        }

        var loaded = _loaded.Value;
        await StateMachineRunner.Handle(loaded.Order, message.Content, message.Token, _transaction, world,
            () => replica.Clock.UtcNow);
        orders.Update(_transaction, loaded.Order, loaded.Loaded, loaded.Version);
    }

    public async Task<bool> WasConsumed()
    {
        try
        {
            return await IsConsumed();
        }
        catch (ConnectionLostException)
        {
            return false; // unknown: the delivery is retried
        }
    }

    public Task<List<OutboxMessage>> FindUnsent() => replica.Query("find unsent messages", () => database.Outbox.Values
        .Where(x => x.InboxMessageId == InboxId && x.InboxConsumerId == ConsumerIds[queue]
            && !x.IsDelayed && x.Parked == null)
        .Select(OutboxMessage (x) => x.Copy()).ToList());

    public void ReleaseCaptured() => replica.Dispatcher.Release(_transaction.Messages);

    public async Task Send(IReadOnlyList<OutboxMessage> messages)
    {
        var sending = replica.Dispatcher.Dispatch(messages, default);
        if (world.Mutant == Mutant.AckBeforeConfirm && IsCommitted)
            await replica.DeleteRows(messages);
        else
            await sending;
    }
}
