using System.Collections.Concurrent;
using System.Diagnostics;
using Accounts.V1;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Orders.V1;
using Saga.Audit;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>A system with accounts and clients, on which one measurement after the other is made.</summary>
sealed class LoadSession : IAsyncDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    static readonly TimeSpan MaxRefusal = TimeSpan.FromMinutes(5);
    readonly LoadOptions _options;
    readonly Target _target;
    readonly GrpcChannel[] _channels;
    readonly OrderService.OrderServiceClient[] _clients;
    readonly string[] _rich;
    readonly string[] _poor;
    readonly ConcurrentDictionary<string, int> _errors = new();
    int _sentAway;

    LoadSession(LoadOptions options, Target target, string[] rich, string[] poor)
    {
        (_options, _target, _rich, _poor) = (options, target, rich, poor);
        _channels = Target.Connect(target.Order, options.Clients);
        _clients = [.. _channels.Select(x => new OrderService.OrderServiceClient(x))];
    }

    /// <summary>Starts what is to be started, fills the databases if asked to, opens the accounts, and warms up.</summary>
    public static async Task<LoadSession> StartAsync(LoadOptions options, CancellationToken cancellationToken)
    {
        var target = await Target.StartAsync(options, cancellationToken);
        try
        {
            await Growth.FillAsync(target, options.Grow, cancellationToken);
            var session = new LoadSession(options, target,
                await OpenAccountsAsync(target, options.Accounts, canPay: true, cancellationToken),
                options.Refused > 0 ? await OpenAccountsAsync(target, options.Accounts, canPay: false, cancellationToken) : []);
            await session.WarmUpAsync(cancellationToken);
            return session;
        }
        catch
        {
            await target.DisposeAsync();
            throw;
        }
    }

    /// <summary>Places orders, waits for their ends, and says how fast and at what cost.</summary>
    /// <param name="orders">How many.</param>
    /// <param name="rate">A second; 0 for as fast as the clients can.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="metered">Whether its cost is read too, for which it begins eleven seconds later.</param>
    public async Task<Figures> MeasureAsync(int orders, double rate, CancellationToken cancellationToken, bool metered = true)
    {
        _errors.Clear();
        _sentAway = 0;
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        var before = metered ? await Meters.BeginAsync(_target, cancellationToken) : Meters.None;
        var placed = new Placed?[orders];
        var late = new List<TimeSpan>();
        var start = Stopwatch.GetTimestamp();
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var sent = progress.AddTask("placed", maxValue: orders);
                var ended = progress.AddTask("ended", maxValue: orders);
                using var stop = new CancellationTokenSource();
                var showing = ShowAsync(() => (sent.Value, ended.Value) = (placed.Count(x => x != null), times.Count), stop.Token);
                await PlaceAllAsync(placed, rate, times, late, cancellationToken);
                await EndedAsync(placed, times, cancellationToken);
                await stop.CancelAsync();
                await showing;
                (sent.Value, ended.Value) = (orders, times.Count);
            });

        var after = metered ? await Meters.EndAsync(_target, cancellationToken) : Meters.None;
        var memory = _target.Services.ToDictionary(x => x.Key, x => Math.Round(Meters.MemoryMegabytes(x.Value), 1));
        foreach (var (error, count) in _errors)
            AnsiConsole.MarkupLineInterpolated($"[red]{count} calls failed: {error}[/]");
        return Figures.From(_options with { Orders = orders, Rate = rate }, placed, times, start, late, before, after, memory, _errors.Values.Sum(), _sentAway);
    }

    /// <summary>
    /// Calls at a rate, whatever the answers. Who is sent away comes again when it is told to, and is called then in place of a new order;
    /// when the time is over, those that are left are called until they are accepted.
    /// </summary>
    public async Task<Overload> OverloadAsync(double rate, TimeSpan duration, CancellationToken cancellationToken)
    {
        _errors.Clear();
        _sentAway = 0;
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        var again = new ConcurrentQueue<(int Order, long Due)>(); // all are told to wait for the same time: in the order of their times
        var placed = new ConcurrentDictionary<int, Placed>();
        var calls = new List<Task>();
        var (pace, orders, over) = (new Pace(rate), 0, 0L);
        for (var call = 0; ; call++)
        {
            await pace.UntilAsync(call, cancellationToken);
            var isOver = pace.Elapsed > duration;
            if (isOver && over == 0)
                over = Stopwatch.GetTimestamp();
            if (again.TryPeek(out var next) && next.Due <= Stopwatch.GetTimestamp() && again.TryDequeue(out next))
                calls.Add(CallAsync(next.Order));
            else if (!isOver)
                calls.Add(CallAsync(orders++));
            else if (calls.TrueForAll(x => x.IsCompleted) && again.IsEmpty)
                break;
            if (calls.Count > 100_000)
                calls.RemoveAll(x => x.IsCompletedSuccessfully);
        }

        await Task.WhenAll(calls);
        await EndedAsync([.. placed.Values], times, cancellationToken);
        var ended = placed.Values.Select(x => times.Of(x.OrderId)?.At).OfType<long>().ToList();
        return new Overload(ended.Count(x => x <= over) / duration.TotalSeconds, _sentAway, _errors.Values.Sum() + placed.Count - ended.Count, over);

        async Task CallAsync(int order)
        {
            var outcome = await CallOnceAsync(order, cancellationToken);
            if (outcome.Placed is { } done)
            {
                placed[order] = done;
                times.Placed(done.OrderId.ToString());
            }
            else if (outcome.Delay is { } delay)
                again.Enqueue((order, Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency)));
        }
    }

    /// <summary>Checks the invariants; null if the databases are not known.</summary>
    public async Task<AuditReport?> AuditAsync(CancellationToken cancellationToken) =>
        _target is { OrderDatabase: { } orders, AccountDatabase: { } money }
            ? await new Auditor(orders, money, _target.Broker).AuditAsync(TimeSpan.FromSeconds(30), cancellationToken)
            : null;

    async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        if (_options.Warmup <= 0)
            return;
        Console.WriteLine($"warm-up: {_options.Warmup} orders, not measured");
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        var placed = new Placed?[_options.Warmup];
        await PlaceAllAsync(placed, 0, times, [], cancellationToken);
        await EndedAsync(placed, times, cancellationToken);
    }

    /// <summary>Opens accounts that can pay, or cannot.</summary>
    static async Task<string[]> OpenAccountsAsync(Target target, int count, bool canPay, CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(target.Account);
        var client = new AccountService.AccountServiceClient(channel);
        var ids = new string[count];
        await Parallel.ForAsync(0, ids.Length, new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = cancellationToken },
            async (i, token) =>
            {
                ids[i] = await OpenAccountAsync(client, canPay, token);
            });
        return ids;
    }

    /// <summary>Opens an account that can pay whatever is ordered, or nothing; returns its id.</summary>
    public static async Task<string> OpenAccountAsync(AccountService.AccountServiceClient client, bool canPay, CancellationToken cancellationToken)
    {
        var account = await client.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" }, cancellationToken: cancellationToken);
        if (canPay)
            await client.DepositAsync(new DepositRequest { AccountId = account.AccountId, Amount = Euros.Of(1_000_000_000) }, cancellationToken: cancellationToken);
        return account.AccountId;
    }

    /// <param name="placed">The orders that were accepted.</param>
    /// <param name="rate">A second; 0 for as fast as the clients can.</param>
    /// <param name="times">Hears of their ends.</param>
    /// <param name="late">By how much each call comes later than the rate wants it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    async Task PlaceAllAsync(Placed?[] placed, double rate, TerminalTimes times, List<TimeSpan> late, CancellationToken cancellationToken)
    {
        if (rate == 0)
        {
            var next = -1;
            await Task.WhenAll(Enumerable.Range(0, _options.Clients).Select(async _ =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) < placed.Length;)
                    await PlaceAsync(i, placed, times, cancellationToken);
            }));
            return;
        }

        var calls = new List<Task>(placed.Length);
        var pace = new Pace(rate);
        for (var i = 0; i < placed.Length; i++)
        {
            await pace.UntilAsync(i, cancellationToken);
            late.Add(pace.LatenessOf(i));
            calls.Add(PlaceAsync(i, placed, times, cancellationToken));
        }

        await Task.WhenAll(calls);
    }

    /// <summary>Places an order; comes again when it is told to.</summary>
    async Task PlaceAsync(int i, Placed?[] placed, TerminalTimes times, CancellationToken cancellationToken)
    {
        var first = Stopwatch.GetTimestamp();
        while (true)
        {
            var outcome = await CallOnceAsync(i, cancellationToken);
            if (outcome.Placed is { } done)
            {
                placed[i] = done with { First = first };
                times.Placed(done.OrderId.ToString());
            }

            if (outcome.Delay is not { } delay)
                return;
            if (Stopwatch.GetElapsedTime(first) > MaxRefusal)
            {
                Failed($"sent away for more than {MaxRefusal}");
                return;
            }

            await Task.Delay(delay, cancellationToken);
        }
    }

    /// <summary>Calls CreateOrder: it is placed, or is to come again after a delay, or has failed.</summary>
    async Task<(Placed? Placed, TimeSpan? Delay)> CallOnceAsync(int i, CancellationToken cancellationToken)
    {
        var refused = (int)(i * _options.Refused); // of those before this one
        var account = (int)((i + 1) * _options.Refused) > refused ? _poor[refused % _poor.Length] : _rich[(i - refused) % _rich.Length];
        var called = Stopwatch.GetTimestamp();
        try
        {
            var answer = await _clients[i % _clients.Length].CreateOrderAsync(new CreateOrderRequest
            {
                AccountId = account,
                Items = { new OrderItem { Sku = "load", Quantity = 1, UnitPrice = Euros.Of(1) } },
            }, deadline: DateTime.UtcNow + Patience, cancellationToken: cancellationToken);
            return (new Placed(Guid.Parse(answer.OrderId), called, called, Stopwatch.GetTimestamp()), null);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted && e.GetRpcStatus()?.GetDetail<RetryInfo>() is { RetryDelay: { } delay })
        {
            Interlocked.Increment(ref _sentAway);
            return (null, delay.ToTimeSpan());
        }
        catch (RpcException e)
        {
            Failed($"{e.StatusCode}: {e.Status.Detail}");
            return (null, null);
        }
    }

    void Failed(string reason) => _errors.AddOrUpdate(reason, 1, (_, n) => n + 1);

    /// <summary>Waits until every placed order has ended, or nothing has for a while.</summary>
    static async Task EndedAsync(Placed?[] placed, TerminalTimes times, CancellationToken cancellationToken)
    {
        var expected = placed.Count(x => x != null);
        var (last, since) = (-1, Stopwatch.StartNew());
        while ((times.Count < expected || placed.Any(x => x != null && times.Of(x.OrderId) == null)) && since.Elapsed < Patience)
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

    public async ValueTask DisposeAsync()
    {
        foreach (var channel in _channels)
            channel.Dispose();
        await _target.DisposeAsync();
    }
}

/// <summary>An order that was accepted, with the first call's begin, and the begin and end of the one that was, by <see cref="Stopwatch" />.</summary>
sealed record Placed(Guid OrderId, long First, long Called, long Answered);
