using System.Collections.Concurrent;
using System.Diagnostics;
using Accounts.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Local.Host.Services;
using Orders.V1;
using Saga.Load.Audit;
using Spectre.Console;

namespace Saga.Load.Run;

/// <summary>Places orders, waits for their ends, and says how fast and at what cost.</summary>
sealed class RunCommand(RunOptions options)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    readonly ConcurrentDictionary<string, int> _errors = new();

    /// <returns>The exit code: 0 if every order ended, no call failed, and the audit is clean.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var target = await Target.StartAsync(options, cancellationToken);
        var channels = Target.Connect(target.Order, options.Clients);
        var accounts = await OpenAccountsAsync(target, cancellationToken);
        await WarmUpAsync(target, channels, accounts, cancellationToken);
        await using var times = await TerminalTimes.StartAsync(target, channels, cancellationToken);
        var before = await Meters.ReadAsync(target, cancellationToken);

        var placed = new Placed?[options.Orders];
        var start = Stopwatch.GetTimestamp();
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var sent = progress.AddTask("placed", maxValue: options.Orders);
                var ended = progress.AddTask("ended", maxValue: options.Orders);
                using var stop = new CancellationTokenSource();
                var showing = ShowAsync(() => (sent.Value, ended.Value) = (placed.Count(x => x != null), times.Count), stop.Token);
                await PlaceAllAsync(channels, accounts, placed, options.Rate, times, cancellationToken);
                await EndedAsync(placed, times, cancellationToken);
                await stop.CancelAsync();
                await showing;
                (sent.Value, ended.Value) = (options.Orders, times.Count);
            });

        var after = await Meters.ReadAsync(target, cancellationToken);
        var memory = target.Services.ToDictionary(x => x.Key, x => Math.Round(Meters.MemoryMegabytes(x.Value), 1));
        var figures = Figures.From(options, placed, times, start, before, after, memory, _errors.Values.Sum());
        figures.Print();
        foreach (var (error, count) in _errors)
            AnsiConsole.MarkupLineInterpolated($"[red]{count} calls failed: {error}[/]");
        if (options.Json != null)
            await figures.WriteAsync(options.Json, cancellationToken);

        if (target is not { OrderDatabase: { } orders, AccountDatabase: { } money })
        {
            AnsiConsole.MarkupLine("[yellow]not audited: give --order-database and --account-database for that[/]");
            return figures.Errors == 0 ? 0 : 1;
        }

        var report = await new Auditor(orders, money, target.Broker).AuditAsync(TimeSpan.FromSeconds(30), cancellationToken);
        report.Print();
        return figures.Errors == 0 && report.Violations.Count == 0 ? 0 : 1;
    }

    async Task WarmUpAsync(Target target, GrpcChannel[] channels, string[] accounts, CancellationToken cancellationToken)
    {
        if (options.Warmup <= 0)
            return;
        Console.WriteLine($"warm-up: {options.Warmup} orders, not measured");
        await using var times = await TerminalTimes.StartAsync(target, channels, cancellationToken);
        var placed = new Placed?[options.Warmup];
        await PlaceAllAsync(channels, accounts, placed, 0, times, cancellationToken);
        await EndedAsync(placed, times, cancellationToken);
    }

    async Task<string[]> OpenAccountsAsync(Target target, CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(target.Account);
        var client = new AccountService.AccountServiceClient(channel);
        var ids = new string[options.Accounts];
        await Parallel.ForAsync(0, ids.Length, new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = cancellationToken },
            async (i, token) =>
            {
                var account = await client.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" }, cancellationToken: token);
                await client.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(1_000_000_000) }, cancellationToken: token);
                ids[i] = account.AccountId;
            });
        return ids;
    }

    async Task PlaceAllAsync(GrpcChannel[] channels, string[] accounts, Placed?[] placed, double rate, TerminalTimes times,
        CancellationToken cancellationToken)
    {
        var clients = channels.Select(x => new OrderService.OrderServiceClient(x)).ToArray();
        async Task PlaceAsync(int i)
        {
            var called = Stopwatch.GetTimestamp();
            try
            {
                var answer = await clients[i % clients.Length].CreateOrderAsync(new CreateOrderRequest
                {
                    AccountId = accounts[i % accounts.Length],
                    Items = { new OrderItem { Sku = "load", Quantity = 1, UnitPrice = Euros.Of(1) } },
                }, cancellationToken: cancellationToken);
                placed[i] = new Placed(Guid.Parse(answer.OrderId), called, Stopwatch.GetTimestamp());
                times.Placed(answer.OrderId);
            }
            catch (RpcException e)
            {
                _errors.AddOrUpdate($"{e.StatusCode}: {e.Status.Detail}", 1, (_, n) => n + 1);
            }
        }

        if (rate == 0)
        {
            var next = -1;
            await Task.WhenAll(Enumerable.Range(0, options.Clients).Select(async _ =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) < placed.Length;)
                    await PlaceAsync(i);
            }));
            return;
        }

        var calls = new List<Task>(placed.Length);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < placed.Length; i++)
        {
            var early = TimeSpan.FromSeconds(i / rate) - Stopwatch.GetElapsedTime(start);
            if (early > TimeSpan.FromMilliseconds(0.5))
                await Task.Delay(early, cancellationToken);
            calls.Add(PlaceAsync(i));
        }

        await Task.WhenAll(calls);
    }

    /// <summary>Waits until every placed order has ended, or nothing has for a while.</summary>
    static async Task EndedAsync(Placed?[] placed, TerminalTimes times, CancellationToken cancellationToken)
    {
        var expected = placed.Count(x => x != null);
        var (last, since) = (-1, Stopwatch.StartNew());
        while (times.Count < expected && since.Elapsed < Patience)
        {
            if (times.Count != last)
                (last, since) = (times.Count, Stopwatch.StartNew());
            await Task.Delay(20, cancellationToken);
        }
    }

    static async Task ShowAsync(Action show, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            show();
            await Task.Delay(500, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}

/// <summary>An order that was accepted, with the call's begin and end by <see cref="Stopwatch" />.</summary>
sealed record Placed(Guid OrderId, long Called, long Answered);
