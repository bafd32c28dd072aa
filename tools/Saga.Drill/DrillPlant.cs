using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using Orders.V1;
using Saga.Services;
using Wait = Saga.Servers.Wait;

namespace Saga.Drill;

/// <summary>The system of the drill, as faults and operators reach it.</summary>
/// <param name="system">The system, with Operations.Service.</param>
/// <param name="load">The load on it.</param>
sealed class DrillPlant(OrderSystem system, DrillLoad load)
{
    /// <summary>What waits longer is late: some answers take seconds while a fault is mended.</summary>
    static readonly TimeSpan Late = TimeSpan.FromSeconds(5);

    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(30);

    static readonly string[] EndStates = ["Confirmed", "Rejected", "Cancelled"];

    /// <summary>
    /// The settings of the services. Order asks again after minutes instead of seconds, so that the operator's command
    /// mends what was lost; reconciliation compares after seconds instead of a minute.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } = new Dictionary<string, string>
    {
        ["Saga__ReservationTimeout"] = "00:10:00",
        ["Saga__ResendDelay"] = "00:05:00",
        ["Saga__MaxResendDelay"] = "00:05:00",
        ["Reconciliation__Grace"] = "00:00:02",
        ["Reconciliation__RecheckDelay"] = "00:00:00.5",
    };

    /// <summary>The commands for operators.</summary>
    public OpsCommand Ops { get; } = new(system.Operations!.GrpcAddress, BearerCredentials.Default);

    /// <summary>The system.</summary>
    public OrderSystem System => system;

    /// <summary>The broker, with its queues.</summary>
    public DrillBroker Broker { get; } = new(system);

    OperationsService.OperationsServiceClient Operations => new(system.Operations!.Channel);

    OrderOperations.OrderOperationsClient OrderOperations => new(system.Orders[0].OperationsChannel);

    AccountOperations.AccountOperationsClient AccountOperations => new(system.Accounts[0].OperationsChannel);

    /// <summary>Opens an account and places an order of 10 EUR.</summary>
    public async Task<string> PlaceOrderAsync(CancellationToken cancellationToken) => await PlaceOrderAsync(
        await DrillLoad.OpenAccountAsync(system, 100, cancellationToken), cancellationToken);

    /// <summary>Places an order of 10 EUR.</summary>
    public async Task<string> PlaceOrderAsync(string accountId, CancellationToken cancellationToken) =>
        (await system.OrderClient.CreateOrderAsync(new CreateOrderRequest
        {
            AccountId = accountId,
            Items = { new OrderItem { Sku = "book", Quantity = 1, UnitPrice = Euros.Of(10) } },
        }, cancellationToken: cancellationToken)).OrderId;

    /// <summary>Stops the load until the result is disposed, and waits until its messages are handled.</summary>
    public async Task<IDisposable> PauseLoadAsync(CancellationToken cancellationToken)
    {
        var pause = await load.PauseAsync(cancellationToken);
        try
        {
            var last = await PlaceOrderAsync(cancellationToken); // its messages are behind those of the load
            await WaitForReservationAsync(last, "Captured", cancellationToken);
            return pause;
        }
        catch
        {
            pause.Dispose();
            throw;
        }
    }

    /// <summary>Waits until an order has a state, and the broker all its messages.</summary>
    public Task WaitForOrderAsync(string orderId, string state, CancellationToken cancellationToken)
    {
        var story = new OrderStory();
        return Wait.UntilAsync(async () =>
        {
            story = await OrderOperations.GetOrderStoryAsync(new GetOrderStoryRequest { OrderId = orderId },
                cancellationToken: cancellationToken);
            return story.Order.State == state && AreSent(story.PendingMessages);
        }, MaxWait, () => $"order {orderId} to be {state} and its messages sent: {story}", cancellationToken);
    }

    /// <summary>Waits until the reservation of an order has a status, and the broker all its messages.</summary>
    public Task WaitForReservationAsync(string orderId, string status, CancellationToken cancellationToken)
    {
        var story = new ReservationStory();
        return Wait.UntilAsync(async () =>
        {
            story = await AccountOperations.GetReservationStoryAsync(
                new GetReservationStoryRequest { OrderId = orderId }, cancellationToken: cancellationToken);
            return story.Reservation?.Status == status && AreSent(story.PendingMessages);
        }, MaxWait, () => $"the reservation of order {orderId} to be {status}: {story}", cancellationToken);
    }

    static bool AreSent(IEnumerable<PendingMessage> messages) =>
        messages.All(x => x.State != PendingMessage.Types.State.Unsent);

    /// <summary>The orders and holds that are late.</summary>
    public async Task<ListStuckResponse> ListStuckAsync(CancellationToken cancellationToken) =>
        await Operations.ListStuckAsync(
            new ListStuckRequest { OlderThan = Duration.FromTimeSpan(Late), MaxIds = 1000 },
            cancellationToken: cancellationToken);

    /// <summary>The dead letters.</summary>
    public async Task<IReadOnlyList<DeadLetterGroup>> ListDeadLettersAsync(CancellationToken cancellationToken) =>
        (await Operations.ListDeadLettersAsync(new ListDeadLettersRequest { MaxMessages = 1000 },
            cancellationToken: cancellationToken)).Groups;

    /// <summary>The queues.</summary>
    public async Task<ListBrokerQueuesResponse> ListQueuesAsync(CancellationToken cancellationToken) =>
        await Operations.ListQueuesAsync(new ListBrokerQueuesRequest(), cancellationToken: cancellationToken);

    /// <summary>What reconciliation has found.</summary>
    public async Task<IReadOnlyList<Mismatch>> ListMismatchesAsync(CancellationToken cancellationToken) =>
        (await Operations.GetReconciliationAsync(new GetReconciliationRequest(),
            cancellationToken: cancellationToken)).Mismatches;

    /// <summary>Executes a statement in the database of a service.</summary>
    public async Task ExecuteAsync(string database, string sql)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(system.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Reads a number from the database of a service.</summary>
    public async Task<long> CountAsync(string database, string sql)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(system.Servers.Postgres.Admin(database));
        await using var command = source.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Finds what is not as it should be; null if everything is.</summary>
    /// <param name="orderId">The order of the fault, or null.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    public async Task<string?> FindUnhealthyAsync(string? orderId, CancellationToken cancellationToken)
    {
        if (orderId != null)
        {
            var story = await Operations.ExplainAsync(new ExplainRequest { OrderId = orderId },
                cancellationToken: cancellationToken);
            if (!EndStates.Contains(story.Order?.State) || story.Reservation?.Status == "Held"
                || story.Advice.Count + story.Missing.Count > 0)
                return $"{story.Situation} {string.Join(' ', story.Advice)} {story.Missing}";
        }

        var stuck = await ListStuckAsync(cancellationToken);
        if (stuck.Orders.Count + stuck.Holds.Count + stuck.Missing.Count > 0)
            return $"stuck: {stuck}";
        var letters = await ListDeadLettersAsync(cancellationToken);
        if (letters.Count > 0)
            return $"dead letters: {letters[0]}";
        var queues = await ListQueuesAsync(cancellationToken);
        if (queues.Alarms.Count + queues.Missing.Count > 0
            || queues.Queues.Any(x => x.Pause != null || x.Consumers == 0 || x.IsMissing))
            return $"queues: {queues}";
        var mismatches = await ListMismatchesAsync(cancellationToken);
        return mismatches.Count == 0 ? null : $"does not match: {mismatches[0]}";
    }
}
