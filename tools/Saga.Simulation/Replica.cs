using Accounts;
using Contracts;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Messaging.Postgres.Inbox;
using Messaging.Postgres.Outbox;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;

namespace Saga.Simulation;

/// <summary>
/// A process of Order or Account: the shipped order of steps (<see cref="Delivery" />), the shipped sender and recovery
/// (<see cref="MessageDispatcher{TDbContext}" />) and the shipped rules, on a simulated database and broker.
/// </summary>
sealed class Replica : IOutboxRows<DbContext>, IOutboxTransport<DbContext>
{
    readonly DatabaseClock<DbContext> _clock;
    readonly SimDatabase _database;
    readonly Life _life;
    readonly OutboxOptions<DbContext> _options = new();
    readonly MessageDispatcher<DbContext> _sender;
    readonly World _world;
    bool _recovering, _deleting;

    public Replica(World world, string name, SimDatabase database, TimeSpan skew)
    {
        (_world, _database, _life) = (world, database, new Life(name));
        _clock = new DatabaseClock<DbContext>(new SkewedTime(world, skew));
        _sender = new MessageDispatcher<DbContext>(this, _options, this, _clock, NullLogger<MessageDispatcher<DbContext>>.Instance);
        _clock.Set(() => Task.FromResult(world.Now)); // as the shipped host does before it starts
    }

    public Life Life => _life;

    /// <summary>Consumes a delivery as the shipped endpoints do: again after what can pass, from the start.</summary>
    public async Task Receive(string queue, Queued message, object tag)
    {
        SimDelivery? delivery = null;
        for (var conflicts = 0; ;)
            try
            {
                delivery = _world.Mutant == Mutant.RetryInsideTransaction ? delivery ?? new SimDelivery(this, queue, message) : new SimDelivery(this, queue, message);
                await delivery.ReceiveOnce();
                break;
            }
            catch (Conflict) when (conflicts++ < 10)
            {
            }
            catch (ConnectionLost)
            {
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _world.Violation($"I9: {message.Content} ends in the error queue of {queue}: {e.Message}");
                break;
            }

        await _world.Steps.Add(_life, $"ack {message.Content}", () => _world.Broker.Acknowledge(tag));
    }

    /// <summary>CreateOrder, as the shipped service commits and relays it.</summary>
    public async Task CreateOrder(ClientOrder client)
    {
        var order = client.ToOrder(_world.NewId(), _world.Now);
        try
        {
            var orders = (OrderDatabase)_database;
            var unit = new SimUnit();
            await OrderRules.Handle(order, new OrderSubmitted(order.CorrelationId), null, unit, _world, () => _clock.UtcNow);
            orders.Insert(unit, order);
            await Database($"commit order {order.CorrelationId:N} of {client}", () => Done(() => orders.Commit(unit)));
            _world.Acknowledged(client, order.CorrelationId);
            await Relay(unit);
        }
        catch (Conflict)
        {
            try
            {
                if (await Database($"find the order of {client}", () => ((OrderDatabase)_database).ByRequest(client.RequestId)) is { } first)
                    _world.Acknowledged(client, first);
            }
            catch (ConnectionLost)
            {
                // The client asks again.
            }
        }
        catch (ConnectionLost)
        {
            // The client does not know, and asks again.
        }
    }

    /// <summary>CancelOrder, likewise.</summary>
    public async Task CancelOrder(Guid id)
    {
        var orders = (OrderDatabase)_database;
        try
        {
            var found = await Database($"load {id:N} to cancel", () => orders.Find(id));
            if (found is not var (order, version) || OrderMapping.ToStatus(order.CurrentState).IsTerminal())
                return;
            var before = OrderDatabase.Copy(order);
            var unit = new SimUnit();
            await OrderRules.Handle(order, new CancellationRequested(id), null, unit, _world, () => _clock.UtcNow);
            orders.Update(unit, order, before, version);
            await Database($"commit cancellation of {id:N}", () => Done(() => orders.Commit(unit)));
            await Relay(unit);
        }
        catch (Exception e) when (e is Conflict or ConnectionLost)
        {
            // The client may ask again.
        }
    }

    /// <summary>One round of the shipped recovery, which also sends what is scheduled.</summary>
    public async Task Recover()
    {
        if (_recovering || _world.Mutant == Mutant.RecoveryOff)
            return;
        _recovering = true;
        try
        {
            await _sender.DispatchDue(retries: _world.Random.Next(2) == 0, default);
        }
        catch (ConnectionLost)
        {
            // The next round.
        }

        _recovering = false;
    }

    /// <summary>One round of the shipped deletion of confirmed rows.</summary>
    public async Task DeleteConfirmed()
    {
        if (_deleting)
            return;
        _deleting = true;
        try
        {
            await _sender.DeleteConfirmed(default);
        }
        catch (ConnectionLost)
        {
            // The next round.
        }

        _deleting = false;
    }

    public bool IsAvailable => !_world.Broker.IsDown;

    public Task Send(OutboxMessage message, DateTime now, CancellationToken cancellationToken) =>
        _world.Steps.Add(_life, $"send {((SimMessage)message).Content}", () => Done(() => _world.Publish((SimMessage)message)));

    public Task ReadClock(CancellationToken cancellationToken) => _clock.Set(() => Database("read the clock", () => _world.Now));

    public Task<List<OutboxMessage>> Claim(bool retries, CancellationToken cancellationToken) => Database("claim", () =>
    {
        var due = _database.Outbox.Values.Where(x => x.EnqueueTime <= _world.Now && x.Parked == null && x.Attempts > 0 == retries)
            .OrderBy(x => x.EnqueueTime).ThenBy(x => x.Id).Take(retries ? 1 : _options.QueryMessageLimit).ToList();
        foreach (var row in due)
            row.EnqueueTime = _world.Now + _options.DeliveryLease + _options.MessageDeliveryTimeout;
        return due.ConvertAll<OutboxMessage>(x => x.Copy());
    });

    public Task Delete(Guid[] ids, CancellationToken cancellationToken) => Database("delete sent", () => Done(() =>
    {
        foreach (var id in ids)
            _database.Outbox.Remove(id);
    }));

    public Task Postpone(Guid id, int attempts, TimeSpan pause, bool park, string error, CancellationToken cancellationToken) =>
        Database("postpone", () => Done(() =>
        {
            if (_database.Outbox.TryGetValue(id, out var row))
                (row.Attempts, row.EnqueueTime, row.Parked) = (attempts, _world.Now + pause, park ? _world.Now : null);
        }));

    /// <summary>What the relay does with the messages of an RPC.</summary>
    async Task Relay(SimUnit unit)
    {
        var messages = unit.Messages.Where(x => !x.IsDelayed).ToList<OutboxMessage>();
        if (_world.Mutant == Mutant.RelayDeletesBeforeConfirm)
            await Delete([.. messages.Select(x => x.Id)], default);
        await _sender.Dispatch(messages, default);
    }

    Task<T> Database<T>(string name, Func<T> take, Func<bool>? ready = null) => _world.Steps.Add(_life, name, () =>
    {
        var fate = _world.Chaos ? _world.Random.Next(60) : 2;
        if (fate == 0)
            throw new ConnectionLost("before it was done");
        var result = take();
        return fate == 1 ? throw new ConnectionLost("after it was done") : result;
    }, ready);

    static bool Done(Action take)
    {
        take();
        return true;
    }

    /// <summary>A delivery on the simulated servers.</summary>
    sealed class SimDelivery(Replica replica, string queue, Queued message) : IReceiveAttempt
    {
        readonly World _world = replica._world;
        (OrderState Order, OrderState Found, int Version)? _loaded;
        SimUnit _unit = new();

        public bool IsRedelivered => message.Redelivered;
        public bool IsCommitted { get; private set; }
        public IReadOnlyList<OutboxMessage> Captured => _unit.Messages.FindAll(x => !x.IsDelayed);

        public Task<bool> IsConsumed() => replica.Database("ask the inbox", () => replica._database.IsConsumed(message.MessageId, queue));

        public async Task HandleAndCommit()
        {
            if (_world.Mutant != Mutant.RetryInsideTransaction)
                _unit = new SimUnit();
            _unit.Consumed = (message.MessageId, queue);
            try
            {
                if (queue == SimBroker.ForOrder)
                    await HandleOrder((OrderDatabase)replica._database);
                else
                    await HandleFunds((AccountDatabase)replica._database);
                foreach (var captured in _unit.Messages)
                    (captured.InboxMessageId, captured.InboxConsumerId) = (message.MessageId, ConsumerIds[queue]);
                if (_world.Mutant == Mutant.SendBeforeCommit)
                    await Send(Captured);
                await replica.Database($"commit {message.Content}", () => Done(() => replica._database.Commit(_unit)));
                IsCommitted = true;
                if (_world.Mutant == Mutant.SendBeforeCommit)
                    _unit.Messages.RemoveAll(x => !x.IsDelayed);
            }
            finally
            {
                replica._database.Release(_unit); // what a rollback does
            }
        }

        async Task HandleOrder(OrderDatabase orders)
        {
            var id = message.Content switch
            {
                FundsReserved x => x.OrderId,
                ReservationRejected x => x.OrderId,
                FundsReleased x => x.OrderId,
                ReservationTimedOut x => x.OrderId,
                var other => throw new InvalidOperationException($"order-state does not take {other}"),
            };
            if (_loaded == null || _world.Mutant != Mutant.RetryInsideTransaction)
                _loaded = await replica.Database($"load {id:N} for {message.Content}", () => orders.Find(id)) is var (order, version)
                    ? (order, OrderDatabase.Copy(order), version) : throw new InvalidOperationException($"there is no order {id}");
            var loaded = _loaded.Value;
            await OrderRules.Handle(loaded.Order, message.Content, message.Token, _unit, _world, () => replica._clock.UtcNow);
            orders.Update(_unit, loaded.Order, loaded.Found, loaded.Version);
        }

        async Task HandleFunds(AccountDatabase accounts)
        {
            var command = FundsCommand.Of(message.Content);
            var (orderId, accountId) = (command.OrderId, command.AccountId);
            var unit = _unit;
            var funds = await replica.Database($"lock and load for {message.Content}", () =>
            {
                if (accounts.Has(accountId))
                    accounts.Lock(accountId, replica._life, unit);
                return accounts.Load(orderId, accountId, message.Content);
            }, () => accounts.CanLock(accountId, unit));
            if (funds.Decide(command) is { } answer)
                _unit.Messages.Add(_world.NewMessage(answer, replica._clock.UtcNow));
            accounts.Keep(_unit, funds, message.Content);
        }

        public async Task<bool> WasConsumed()
        {
            try
            {
                return await IsConsumed();
            }
            catch (ConnectionLost)
            {
                return false;
            }
        }

        public Task<List<OutboxMessage>> FindUnsent() => replica.Database("find what is left", () => replica._database.Outbox.Values
            .Where(x => x.InboxMessageId == message.MessageId && x.InboxConsumerId == ConsumerIds[queue] && !x.IsDelayed && x.Parked == null)
            .Select(OutboxMessage (x) => x.Copy()).ToList());

        public async Task Send(IReadOnlyList<OutboxMessage> messages)
        {
            if (_world.Mutant == Mutant.AckBeforeConfirm && IsCommitted)
            {
                _ = replica._sender.Dispatch(messages, default);
                await replica.Delete([.. messages.Select(x => x.Id)], default);
                return;
            }

            await replica._sender.Dispatch(messages, default);
        }
    }

    static readonly Dictionary<string, Guid> ConsumerIds = new()
    {
        [SimBroker.ForOrder] = new("00000000-0000-0000-0000-000000000001"),
        [SimBroker.ToReserve] = new("00000000-0000-0000-0000-000000000002"),
        [SimBroker.ToRelease] = new("00000000-0000-0000-0000-000000000003"),
        [SimBroker.ToCapture] = new("00000000-0000-0000-0000-000000000004"),
    };

    /// <summary>A machine's clock, which is off.</summary>
    sealed class SkewedTime(World world, TimeSpan skew) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => world.Now + skew;
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;
        public override long GetTimestamp() => world.Now.Ticks;
    }
}
