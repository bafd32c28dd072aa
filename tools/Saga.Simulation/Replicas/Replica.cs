using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Commits;
using Messaging.Postgres.Database;
using Messaging.Postgres.Inbox;
using Messaging.Postgres.Outbox;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;

namespace Saga.Simulation;

/// <summary>
/// A process of Order or Account. It runs the production receive steps (<see cref="IdempotentReceive" />), group
/// commits (<see cref="GroupCommitter" />), settlement of batches (<see cref="BatchDeliveries" />), dispatcher and
/// recovery (<see cref="MessageDispatcher{TDbContext}" />) and rules on a simulated database and broker.
/// </summary>
sealed class Replica
{
    const int MaxConflicts = 10;

    readonly BatchDeliveries _batches = new();
    readonly SimDatabase _database;
    readonly ReplicaOutbox _outbox;
    readonly OutboxOwner<DbContext> _owner;
    readonly World _world;
    readonly HashSet<string> _rounds = []; // that are running
    DateTime _nextHeartbeat;

    public Replica(World world, string name, SimDatabase database, TimeSpan skew)
    {
        (_world, _database, Process) = (world, database, new SimProcess(name));
        Clock = new DatabaseClock<DbContext>(new SkewedClock(world, skew));
        var options = new OutboxOptions<DbContext>();
        _outbox = new ReplicaOutbox(this, world, database, options, Clock);
        _owner = new OutboxOwner<DbContext>(_outbox, options, Clock, NullLogger<OutboxOwner<DbContext>>.Instance)
        {
            Id = world.NewId(),
        };
        Dispatcher = new MessageDispatcher<DbContext>(_outbox, options, _outbox, _owner, Clock,
            NullLogger<MessageDispatcher<DbContext>>.Instance);
        // A limit of queues would continue those that wait for it on pool threads.
        Groups = new GroupCommitter(new ReplicaTransactions(this, world, database), Later,
            new ProcessTimers(world, Process), maxQuarantineQueues: int.MaxValue, tag: null, NullLogger.Instance);
        // As the production host does before it starts.
        Clock.Set(() => Task.FromResult(world.Now));
        database.Heartbeats[_owner.Id] = 1;
    }

    public SimProcess Process { get; }
    public DatabaseClock<DbContext> Clock { get; }
    public MessageDispatcher<DbContext> Dispatcher { get; }
    public GroupCommitter Groups { get; }

    /// <summary>Consumes a delivery; the messages of a batch concurrently, each settled by itself.</summary>
    public void Receive(string queue, AmqpMessage delivered, ulong tag)
    {
        var isAckedByFirst = _world.Mutant == Mutant.BatchAckedByFirstMember;
        if (delivered.IsBatch)
            tag = _batches.Add(tag, isAckedByFirst ? 1 : delivered.Messages.Count);
        foreach (var message in delivered.Messages)
            _ = Receive(queue, message, isAckedByFirst ? tag : tag++);
    }

    /// <summary>
    /// Consumes a message as the production endpoints do: a transient failure restarts it from the beginning.
    /// </summary>
    async Task Receive(string queue, QueuedMessage message, ulong tag)
    {
        var isReturned = false;
        SimReceiveAttempt NewAttempt() => new(this, _world, _database, queue, message);
        SimReceiveAttempt? attempt = null;
        for (var conflicts = 0; !isReturned;)
            try
            {
                attempt = _world.Mutant == Mutant.RetryInsideTransaction ? attempt ?? NewAttempt() : NewAttempt();
                await attempt.ReceiveOnce();
                break;
            }
            catch (Exception e) when (e is ConflictException or DbUpdateConcurrencyException
                && conflicts++ < MaxConflicts)
            {
                // A concurrent transaction was first, or the group has failed: retry.
            }
            catch (Exception e) when (e is ConnectionLostException or LockTimeoutException)
            {
                // Transient: retry, here or, as when the endpoint stops, by returning the message to its queue.
                isReturned = _world.HasFaults && _world.Random.Next(2) == 0;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _world.Invariants.Violated(
                    $"I9: {message.Content} is moved to the error queue of {queue}: {e.Message}");
                break;
            }

        await _world.Scheduler.Add(Process, $"{(isReturned ? "return" : "ack")} {message.Content}", () =>
            _batches.Settle(tag, isReturned) is var (delivery, isRequeued)
            && _world.Broker.Settle(delivery, isRequeued));
    }

    /// <summary>CreateOrder, committed and sent as in the production service.</summary>
    public async Task CreateOrder(ClientOrder client)
    {
        var orders = (OrderDatabase)_database;
        var order = client.ToOrder(_world.NewId(), _world.Now);
        try
        {
            var transaction = NewTransaction($"order {order.CorrelationId:N} of {client}");
            await StateMachineRunner.Handle(order, new OrderSubmitted(order.CorrelationId), null, transaction, _world,
                () => Clock.UtcNow);
            orders.Insert(transaction, order);
            await CommitRpc(transaction);
            _world.Invariants.OrderAcknowledged(client, order.CorrelationId);
            await SendCommitted(transaction);
        }
        catch (ConflictException)
        {
            await AcknowledgeExisting(orders, client);
        }
        catch (ConnectionLostException)
        {
            // The client does not know the outcome and repeats the request.
        }
    }

    /// <summary>CancelOrder, committed and sent as in the production service.</summary>
    public Task CancelOrder(Guid id) => RaiseInOrder(id, new CancellationRequested(id, null),
        order => !OrderMapping.ToStatus(order.CurrentState).IsTerminal());

    /// <summary>One round of the production search for overdue answers, for one order.</summary>
    public async Task AskAgain()
    {
        if (_world.Mutant == Mutant.ResendOff)
            return;
        try
        {
            var orders = (OrderDatabase)_database;
            var overdue = await Query("find an overdue answer", () => orders.FindOverdue(Clock.UtcNow));
            if (overdue is { } id)
                await RaiseInOrder(id, new AnswerOverdue(id), order => order.ResendTime <= Clock.UtcNow);
        }
        catch (ConnectionLostException)
        {
            // The next round retries.
        }
    }

    /// <summary>Raises an event in a stored order, if the order still meets a condition.</summary>
    async Task RaiseInOrder(Guid id, object content, Func<OrderState, bool> condition)
    {
        var orders = (OrderDatabase)_database;
        try
        {
            var found = await Query($"load {id:N} for {content}", () => orders.Find(id));
            if (found is not var (order, version) || !condition(order))
                return;
            var loaded = OrderDatabase.Copy(order);
            var transaction = NewTransaction(_world.IsTraced ? $"{content}" : "");
            await StateMachineRunner.Handle(order, content, null, transaction, _world, () => Clock.UtcNow);
            orders.Update(transaction, order, loaded, version);
            await CommitRpc(transaction);
            await SendCommitted(transaction);
        }
        catch (Exception e) when (e is ConflictException or ConnectionLostException)
        {
            // The client may repeat the request, and the next round finds the order again.
        }
    }

    /// <summary>One round of the production recovery, which also sends the scheduled messages that are due.</summary>
    public Task Recover() => _world.Mutant == Mutant.RecoveryOff ? Task.CompletedTask
        : Round(nameof(Recover), () => Dispatcher.DispatchDue(retries: _world.Random.Next(2) == 0, default));

    /// <summary>
    /// One round of the production cleanup: deletes confirmed outbox rows, and releases others.
    /// </summary>
    public Task CleanUp() => Round(nameof(CleanUp), async () =>
    {
        await Dispatcher.DeleteConfirmed(default);
        await _owner.WriteReleases(default);
    });

    /// <summary>A heartbeat of the production outbox, and a search for messages that nobody sends.</summary>
    public void Heartbeat()
    {
        if (_world.Now < _nextHeartbeat)
            return;
        _nextHeartbeat = _world.Now + _owner.HeartbeatInterval;
        _ = Round(nameof(Heartbeat), async () =>
        {
            await _owner.Heartbeat(default);
            await _owner.AdoptOrphans(default);
        });
    }

    /// <summary>Runs a round of background work, unless one is running.</summary>
    async Task Round(string name, Func<Task> work)
    {
        if (!_rounds.Add(name))
            return;
        try
        {
            await work();
        }
        catch (ConnectionLostException)
        {
            // The next round retries.
        }

        _rounds.Remove(name);
    }

    /// <summary>Runs an operation on the database as a step; the connection may be lost before or after it.</summary>
    public Task<T> Query<T>(string name, Func<T> run, Func<bool>? isReady = null) =>
        _world.Scheduler.Add(Process, name, () =>
    {
        const int LostBefore = 0, LostAfter = 1, Succeeds = 2;
        var fate = _world.HasFaults ? _world.Random.Next(60) : Succeeds;
        if (fate == LostBefore)
            throw new ConnectionLostException("before the operation ran");
        var result = run();
        return fate == LostAfter ? throw new ConnectionLostException("after the operation ran") : result;
    }, isReady);

    /// <summary>Commits a unit with those that wait at the same time.</summary>
    public Task Commit(SimTransaction transaction)
    {
        var member = new SimMember(transaction);
        Groups.Enqueue(member);
        return member.Committed;
    }

    async Task CommitRpc(SimTransaction transaction)
    {
        try
        {
            await Commit(transaction);
        }
        catch
        {
            Dispatcher.Release(transaction.Messages);
            throw;
        }
    }

    /// <summary>Runs a continuation as a step of this process.</summary>
    public void Later(Action continuation) =>
        _ = _world.Scheduler.Add(Process, "continue", () => Done(continuation));

    /// <summary>
    /// Runs the rest of a handler as a step, which may fail, or, once for a message, take longer than groups wait.
    /// </summary>
    public Task Handle(QueuedMessage message)
    {
        const int Fails = 0, IsSlow = 1, Succeeds = 2;
        var fate = _world.HasFaults ? _world.Random.Next(100) : Succeeds;
        var end = fate == IsSlow && _world.Slow.Add(message.MessageId) ? _world.Now + TimeSpan.FromSeconds(20)
            : _world.Now;
        return _world.Scheduler.Add(Process, $"handle {message.Content}",
            () => fate == Fails ? throw new ConflictException("the handler has failed") : true,
            () => !_world.HasFaults || _world.Now >= end);
    }

    /// <summary>A transaction whose messages this replica sends.</summary>
    public SimTransaction NewTransaction(string name) => new() { Name = name, OwnerId = _owner.Id };

    /// <summary>Deletes outbox rows whose messages were sent.</summary>
    public Task DeleteRows(IEnumerable<OutboxMessage> messages) =>
        _outbox.Delete([.. messages.Select(x => x.Id)], default);

    /// <summary>Turns an action into a function, for steps without a result.</summary>
    public static bool Done(Action action)
    {
        action();
        return true;
    }

    async Task AcknowledgeExisting(OrderDatabase orders, ClientOrder client)
    {
        try
        {
            var found = await Query($"find the order of {client}", () => orders.FindByRequest(client.RequestId));
            if (found is { } existing)
                _world.Invariants.OrderAcknowledged(client, existing);
        }
        catch (ConnectionLostException)
        {
            // The client repeats the request.
        }
    }

    /// <summary>Sends the messages of an RPC after its commit.</summary>
    async Task SendCommitted(SimTransaction transaction)
    {
        var messages = transaction.Messages.Where(x => !x.IsDelayed).ToList<OutboxMessage>();
        if (_world.Mutant == Mutant.RpcMessagesDeletedBeforeConfirm)
            await DeleteRows(messages);
        await Dispatcher.Dispatch(messages, default);
    }
}
