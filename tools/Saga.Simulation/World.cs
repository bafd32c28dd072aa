using System.Globalization;
using Accounts;
using Contracts;
using Orders;

namespace Saga.Simulation;

/// <summary>What one seed did.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Violations">What must not be.</param>
/// <param name="Steps">How many steps it took.</param>
/// <param name="Outcomes">Orders by their state at the end.</param>
public sealed record SimulationResult(int Seed, IReadOnlyList<string> Violations, int Steps, IReadOnlyDictionary<string, int> Outcomes);

/// <summary>An order that a client wants: the request, repeated until it is answered.</summary>
sealed record ClientOrder(Guid RequestId, Guid AccountId, decimal Total, string Currency)
{
    public Guid? Answer { get; set; }

    public OrderState ToOrder(Guid id, DateTime now) => new()
    {
        CorrelationId = id,
        AccountId = AccountId,
        Items = [],
        Total = Total,
        Currency = Currency,
        RequestId = RequestId,
        CreateTime = now,
        UpdateTime = now,
    };

    public override string ToString() => $"request {RequestId:N} over {Total} {Currency}";
}

/// <summary>
/// Two services with two processes each, their databases, a broker and clients, in one thread, as one seed has it: first
/// with faults, then healed, until nothing moves any more.
/// </summary>
public sealed class World
{
    const int MaxSteps = 50_000;
    static readonly string[] AccountQueues = [SimBroker.ToReserve, SimBroker.ToRelease, SimBroker.ToCapture];

    readonly AccountDatabase _accounts;
    readonly List<ClientOrder> _clients = [];
    readonly OrderDatabase _orders;
    readonly Replica[] _replicas = new Replica[4]; // two of Order, two of Account
    readonly List<Queued> _seen = [];
    readonly int _seed;
    readonly Action<string>? _trace;
    readonly List<string> _violations = [];
    int _ids, _steps, _lives;

    World(int seed, Mutant mutant, Action<string>? trace)
    {
        (_seed, Mutant, _trace) = (seed, mutant, trace);
        Random = new Random(seed);
        Steps = new Steps(Random) { Trace = trace == null ? null : Say };
        (_orders, _accounts) = (new OrderDatabase(this), new AccountDatabase(this));
        for (var i = 0; i < _replicas.Length; i++)
            Start(i);
    }

    internal Mutant Mutant { get; }
    internal Random Random { get; }
    internal Steps Steps { get; }
    internal SimBroker Broker { get; } = new();
    internal DateTime Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    internal bool Chaos { get; private set; } = true;

    /// <summary>Runs one seed.</summary>
    /// <param name="seed">Decides everything.</param>
    /// <param name="mutant">The guarantee that is switched off.</param>
    /// <param name="trace">Is told every step, or null.</param>
    public static SimulationResult Run(int seed, Mutant mutant = Mutant.None, Action<string>? trace = null)
    {
        // One thread: a caller's context would take what follows an await elsewhere.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var world = new World(seed, mutant, trace);
            world.Play();
            return new SimulationResult(seed, world._violations, world._steps,
                world._orders.All.GroupBy(x => x.CurrentState).ToDictionary(x => x.Key, x => x.Count()));
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    /// <summary>A world where nothing happens by itself.</summary>
    internal static World Empty(Mutant mutant) => new(0, mutant, null);

    internal Guid NewId() => new(_seed, 0, 0, 0, 0, 0, 0, (byte)(++_ids >> 24), (byte)(_ids >> 16), (byte)(_ids >> 8), (byte)_ids);

    internal SimMessage NewMessage(object content, DateTime now, Guid? token = null, TimeSpan delay = default) => new()
    {
        Id = NewId(),
        MessageId = NewId(),
        Content = content,
        SentTime = now,
        TokenId = token,
        EnqueueTime = now + (token == null ? TimeSpan.FromSeconds(5) : delay),
    };

    internal void Violation(string what)
    {
        if (_violations.Count < 20)
            _violations.Add(what);
        Say($"VIOLATION {what}");
    }

    /// <summary>A message reaches the broker, or not, and its sender hears of it, or not.</summary>
    internal void Publish(SimMessage message)
    {
        var fate = Chaos ? Random.Next(40) : 9;
        if (Broker.IsDown || fate == 0)
            throw new ConnectionLost("before the broker had it");
        var queued = new Queued(message.MessageId, message.Content, message.TokenId);
        Broker.Put(queued);
        _seen.Add(queued);
        if (fate == 1)
            Broker.Put(queued);
        if (fate == 2)
            throw new ConnectionLost("before the broker's word came");
    }

    internal void Acknowledged(ClientOrder client, Guid orderId)
    {
        if (client.Answer is { } before && before != orderId)
            Violation($"I7: {client} made {before:N} and {orderId:N}");
        client.Answer = orderId;
        if (_orders.Find(orderId) == null)
            Violation($"I6: {orderId:N} was acknowledged and is not there");
    }

    /// <summary>What must hold at each change of an order.</summary>
    internal void OrderChanges(OrderState before, OrderState after)
    {
        if (OrderMapping.ToStatus(before.CurrentState).IsTerminal() && before.CurrentState != after.CurrentState)
            Violation($"I5: order {before.CorrelationId:N} was {before.CurrentState} and becomes {after.CurrentState}");
        var fits = after.CurrentState switch
        {
            "Confirmed" => Status(after) is ReservationStatus.Held or ReservationStatus.Captured,
            "Rejected" => Status(after) is ReservationStatus.Rejected,
            "Cancelled" => Status(after) is ReservationStatus.Rejected or ReservationStatus.Released,
            _ => true,
        };
        if (!fits)
            Violation($"I4: order {after.CorrelationId:N} becomes {after.CurrentState} with its reservation {Status(after)?.ToString() ?? "missing"}");
        if (after.Reason == OrderReason.TimedOut && before.Reason == null && Now < after.CreateTime + OrderRules.Timeout)
            Violation($"order {after.CorrelationId:N} timed out after {(Now - after.CreateTime).TotalSeconds} s of {OrderRules.Timeout.TotalSeconds}");
    }

    /// <summary>What must hold at each change of a reservation.</summary>
    internal void ReservationChanges(Reservation? before, Reservation after)
    {
        if (before is { Status: not ReservationStatus.Held } && (before.Status, before.Amount) != (after.Status, after.Amount))
            Violation($"{(before.Status == ReservationStatus.Released ? "I8" : "I3")}: the reservation of {after.OrderId:N} was {before.Status} and becomes {after.Status}");
        if (before is { Status: ReservationStatus.Held } && after.Status is ReservationStatus.Held)
            Violation($"I3: the funds of {after.OrderId:N} are held twice");
    }

    /// <summary>What must hold at each change of an account.</summary>
    internal void AccountChanges(Account account, decimal deposits)
    {
        if (account.Available < 0 || account.Held < 0)
            Violation($"I2: account {account.AccountId:N} has {account.Available} available and {account.Held} held");
        if (account.Available + account.Held + account.Captured != deposits)
            Violation($"I1: account {account.AccountId:N} got {deposits} and has {account.Available} + {account.Held} + {account.Captured}");
    }

    ReservationStatus? Status(OrderState order) => _accounts.Reservations.GetValueOrDefault(order.CorrelationId)?.Status;

    void Play()
    {
        var accounts = Enumerable.Range(0, Random.Next(1, 5)).Select(_ => NewId()).ToList();
        foreach (var id in accounts)
        {
            _accounts.Open(new Account { AccountId = id, Currency = "EUR", CreateTime = Now, UpdateTime = Now });
            _accounts.Deposit(id, Random.Next(20, 200), Now);
        }

        var wanted = Random.Next(20, 51);
        while (_steps++ < MaxSteps && _clients.Count < wanted)
            Act(accounts);
        for (var more = Random.Next(0, 400); more > 0 && _steps++ < MaxSteps; more--)
            Act(accounts);
        Heal();
        while (_steps++ < MaxSteps)
            if (!Settle())
                break;
        if (_steps >= MaxSteps)
            Violation($"I9: not quiet after {MaxSteps} steps");
        AtTheEnd();
    }

    /// <summary>One thing happens.</summary>
    void Act(List<Guid> accounts)
    {
        switch (Random.Next(1000))
        {
            case < 560:
                Steps.TakeOne();
                break;
            case < 760:
                Deliver();
                break;
            case < 830:
                _ = Live(Random.Next(4))?.Recover();
                break;
            case < 860:
                _ = Live(Random.Next(4))?.DeleteConfirmed();
                break;
            case < 890:
                Create(accounts);
                break;
            case < 900 when _clients.Count > 0:
                Ask(_clients[Random.Next(_clients.Count)]);
                break;
            case < 907 when _clients.Count > 0:
                if (_clients[Random.Next(_clients.Count)].Answer is { } id)
                    _ = Live(Random.Next(2))?.CancelOrder(id);
                break;
            case < 910:
                var (paid, amount) = (accounts[Random.Next(accounts.Count)], Random.Next(1, 30));
                _ = Steps.Add(null, $"deposit {amount}", () => _accounts.Deposit(paid, amount, Now), () => _accounts.CanLock(paid, null));
                break;
            case < 955:
                Pass(TimeSpan.FromMilliseconds(Random.Next(1, 800)));
                break;
            case < 962:
                Pass(TimeSpan.FromSeconds(Random.Next(1, 45)));
                break;
            case < 967:
                Kill(Random.Next(4));
                break;
            case < 977:
                var dead = Random.Next(4);
                if (_replicas[dead].Life.IsOver)
                    Start(dead);
                break;
            case < 982:
                Say("connections to the broker are cut");
                Broker.Cut(_replicas[Random.Next(4)].Life);
                break;
            case < 987:
                var life = _replicas[Random.Next(4)].Life;
                life.StandsStill = !life.StandsStill;
                Say($"{life.Name} {(life.StandsStill ? "stands still" : "goes on")}");
                break;
            case < 990:
                Broker.IsDown = !Broker.IsDown;
                Say($"the broker is {(Broker.IsDown ? "down" : "up")}");
                break;
            case < 996 when _seen.Count > 0:
                // Long after, by its old id or as a new message.
                var again = _seen[Random.Next(_seen.Count)];
                Broker.Put(Random.Next(2) == 0 ? again : again with { MessageId = NewId() });
                Say($"{again.Content} comes again");
                break;
            case < 998 when _clients.Count > 0:
                // A timeout that nobody has scheduled, or not any more.
                if (_clients[Random.Next(_clients.Count)].Answer is { } stale)
                    Broker.Put(new Queued(NewId(), new ReservationTimedOut(stale), NewId()));
                break;
            case < 999:
                Say("the inboxes forget");
                _orders.ForgetInbox();
                _accounts.ForgetInbox();
                break;
        }
    }

    void Deliver()
    {
        var order = Random.Next(2) == 0;
        var queue = order ? SimBroker.ForOrder : AccountQueues[Random.Next(3)];
        if (Live((order ? 0 : 2) + Random.Next(2)) is not { } replica)
            return;
        if (Broker.Deliver(queue, replica.Life, Random) is not var (message, tag))
            return;
        if (_trace != null)
            Say($"{replica.Life.Name} gets {message.Content}{(message.Redelivered ? ", redelivered" : "")}");
        _ = replica.Receive(queue, message, tag);
    }

    void Create(List<Guid> accounts)
    {
        var client = new ClientOrder(NewId(), Random.Next(20) == 0 ? NewId() : accounts[Random.Next(accounts.Count)], Random.Next(1, 40),
            Random.Next(20) == 0 ? "USD" : "EUR");
        _clients.Add(client);
        Ask(client);
    }

    void Ask(ClientOrder client) => _ = Live(Random.Next(2))?.CreateOrder(client);

    Replica? Live(int index) => _replicas[index] is { Life: { IsOver: false, StandsStill: false } } replica ? replica : null;

    void Start(int index)
    {
        var name = $"{(index < 2 ? "order" : "account")}-{index % 2 + 1}.{++_lives}";
        _replicas[index] = new Replica(this, name, index < 2 ? _orders : _accounts, TimeSpan.FromSeconds(Random.Next(4) == 0 ? Random.Next(-300, 300) : 0));
        Say($"{name} starts");
    }

    void Kill(int index)
    {
        var life = _replicas[index].Life;
        if (life.IsOver)
            return;
        Say($"{life.Name} is killed");
        life.IsOver = true;
        Steps.Drop(life);
        Broker.Cut(life);
    }

    void Pass(TimeSpan time) => Now += time;

    void Heal()
    {
        Say("healed");
        (Chaos, Broker.IsDown) = (false, false);
        for (var i = 0; i < _replicas.Length; i++)
        {
            _replicas[i].Life.StandsStill = false;
            if (_replicas[i].Life.IsOver)
                Start(i);
        }
    }

    /// <summary>Goes on without faults.</summary>
    /// <returns>False when nothing moves any more.</returns>
    bool Settle()
    {
        if (Steps.TakeOne())
            return true;
        if (_clients.Find(x => x.Answer == null) is { } unanswered)
        {
            Ask(unanswered);
            return true;
        }

        if (Broker.Waiting.Any(x => x.Count > 0))
        {
            Deliver();
            return true;
        }

        foreach (var replica in _replicas)
            _ = replica.DeleteConfirmed();
        if (Steps.TakeOne())
            return true;
        var due = _orders.Outbox.Values.Concat(_accounts.Outbox.Values).Where(x => x.Parked == null).Select(x => (DateTime?)x.EnqueueTime).Min();
        if (due == null || Mutant == Mutant.RecoveryOff)
            return false;
        if (due > Now)
            Now = due.Value;
        foreach (var replica in _replicas)
            _ = replica.Recover();
        return true;
    }

    void AtTheEnd()
    {
        foreach (var order in _orders.All)
        {
            var status = Status(order);
            if (!OrderMapping.ToStatus(order.CurrentState).IsTerminal())
                Violation($"I6: order {order.CorrelationId:N} is still {order.CurrentState}");
            else if (order.CurrentState == "Confirmed" != (status == ReservationStatus.Captured))
                Violation($"I4: order {order.CorrelationId:N} is {order.CurrentState} and its reservation {status?.ToString() ?? "missing"}");
        }

        foreach (var twice in _accounts.Ledger.Where(x => x.OrderId != null).GroupBy(x => (x.OrderId, x.Kind)).Where(x => x.Count() > 1))
            Violation($"I3: {twice.Key.Kind} of order {twice.Key.OrderId:N} is in the ledger {twice.Count()} times");
        foreach (var (account, _) in _accounts.Accounts.Where(x => x.Account.Held != 0))
            Violation($"I4: account {account.AccountId:N} still holds {account.Held}");
        foreach (var row in _orders.Outbox.Values.Concat(_accounts.Outbox.Values))
            Violation($"I9: {row.Content} is left in an outbox{(row.Parked == null ? "" : ", parked")}");
        if (!Broker.IsEmpty)
            Violation("I9: a queue is not empty");
    }

    void Say(string what) => _trace?.Invoke($"{_steps.ToString(CultureInfo.InvariantCulture),6} {Now:mm:ss.fff} {what}");
}
