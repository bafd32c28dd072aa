using Grpc.Core;
using Messaging.Postgres.Database;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method RedriveOrders.</summary>
sealed partial class Redrive(PrimaryDatabase database, IServiceScopeFactory scopes, ServiceDrain drain,
    DatabaseClock<OrderDbContext> time, ILogger<Redrive> log)
{
    const int MaxOrders = 1_000_000;
    const int MaxIds = 10_000;
    const int MaxBatch = 100;

    static readonly string Choose = $"""
        {AwaitedAnswer.Query("order_id, update_time", "current_state = any ($1) and update_time <= $2")}
        order by update_time limit {MaxOrders}
        """;

    static readonly string Count = $"select count(*) from orders where order_id = any ($1) and {AwaitedAnswer.Filter}"
        + " and current_state = any ($2) and update_time <= $3";

    // A locked order is skipped: its answer arrives just now, or its command is sent again already.
    static readonly string Lock = $"""
        select *, xmin from orders
        where order_id = any (@ids) and {AwaitedAnswer.Filter} and current_state = any (@states)
            and update_time <= @before
        order by order_id for update skip locked
        """;

    /// <summary>Sends the commands of the chosen orders again.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT, with all violations.</exception>
    /// <exception cref="OperationCanceledException">The operator has gone, or the service stops.</exception>
    public async Task RunAsync(RedriveOrdersRequest request, IServerStreamWriter<RedriveProgress> responses,
        CancellationToken cancellationToken)
    {
        var choice = Read(request, out var rate);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, drain.Ended);
        var ids = choice.Ids.Length > 0 ? choice.Ids : await ChooseAsync(choice, end.Token);
        var run = new RedriveRun(ids.Length, rate, time, responses);
        if (request.DryRun)
        {
            var waiting = choice.Ids.Length > 0 ? await CountAsync(choice, end.Token) : ids.Length;
            await run.EndAsync(skipped: ids.Length - waiting, end.Token);
            return;
        }

        LogBegins(ids.Length, (int)Math.Ceiling(rate));
        try
        {
            foreach (var batch in ids.Chunk(Math.Clamp((int)(rate / 10), 1, MaxBatch)))
            {
                await run.WaitAsync(end.Token);
                await run.AddAsync(batch.Length, sent: await ResendAsync(choice, batch, end.Token), end.Token);
            }

            await run.EndAsync(skipped: 0, end.Token);
        }
        finally
        {
            LogEnds(run.Sent, run.Skipped, ids.Length);
        }
    }

    Choice Read(RedriveOrdersRequest request, out double rate)
    {
        var violations = new FieldViolations();
        var ids = violations.Ids(request.OrderIds, "order_ids", MaxIds);
        var age = violations.OptionalAge(request.OlderThan, "older_than");
        var answers = AwaitedAnswer.All.Where(x => request.Queue == "" || x.Queue == request.Queue).ToList();
        if (answers.Count == 0)
            violations.Add("queue", $"must be one of {string.Join(", ", AwaitedAnswer.All.Select(x => x.Queue))}");
        if (request.OrderIds.Count == 0 && request.Queue == "" && request.OlderThan == null)
            violations.Add("order_ids", "is missing: choose orders by order_ids, queue or older_than");
        rate = violations.Rate(request.Rate, "rate");
        violations.ThrowIfAny();
        return new Choice(ids, [.. answers.Select(x => x.State)], time.UtcNow() - (age ?? TimeSpan.Zero));
    }

    async Task<Guid[]> ChooseAsync(Choice choice, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Choose, connection);
        command.Parameters.Add(new() { Value = choice.States });
        command.Parameters.Add(new() { Value = choice.Before });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var ids = new List<Guid>();
        while (await row.ReadAsync(cancellationToken))
            ids.Add(row.GetGuid(0));
        return [.. ids];
    }

    async Task<int> CountAsync(Choice choice, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Count, connection);
        command.Parameters.Add(new() { Value = choice.Ids });
        command.Parameters.Add(new() { Value = choice.States });
        command.Parameters.Add(new() { Value = choice.Before });
        return (int)(long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    async Task<int> ResendAsync(Choice choice, Guid[] batch, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var sent = await scope.ServiceProvider.GetRequiredService<CommandResend>().RunAsync(Lock,
            [
                new("ids", batch), new("states", choice.States), new("before", choice.Before),
            ], cancellationToken);
        return sent.Count;
    }

    /// <summary>The orders of a request.</summary>
    /// <param name="Ids">Only these; empty for all.</param>
    /// <param name="States">Only orders in these states.</param>
    /// <param name="Before">Only orders that have been in their state since this time.</param>
    sealed record Choice(Guid[] Ids, string[] States, DateTime Before);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "An operator redrives {Count} orders, {Rate} per second at most")]
    partial void LogBegins(int count, int rate);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The redrive has ended: {Sent} of {Count} orders have sent their commands again, {Skipped} waited for nothing")]
    partial void LogEnds(long sent, long skipped, int count);
}
