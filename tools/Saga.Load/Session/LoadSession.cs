using Grpc.Net.Client;
using Saga.Audit;
using Saga.Services;
using Spectre.Console;

namespace Saga.Load;

/// <summary>A system with accounts and clients, on which measurements run one after the other.</summary>
sealed class LoadSession : IAsyncDisposable
{
    readonly LoadOptions _options;
    readonly Target _target;
    readonly GrpcChannel[] _channels;
    readonly OrderPlacer _placer;

    LoadSession(LoadOptions options, Target target, string[] funded, string[] unfunded)
    {
        (_options, _target) = (options, target);
        _channels = Target.Connect(target.Order, options.Clients);
        _placer = new OrderPlacer(options, _channels, funded, unfunded);
    }

    /// <summary>The connection strings of Order's and Account's databases, if they are known.</summary>
    public IReadOnlyList<string> Databases =>
        [.. new[] { _target.OrderDatabase, _target.AccountDatabase }.OfType<string>()];

    /// <summary>The service for operators, if it runs.</summary>
    public ServiceReplica? Operations => _target.Operations;

    /// <summary>
    /// Starts the system unless it runs already, fills the databases, opens the accounts, and warms up.
    /// </summary>
    public static async Task<LoadSession> StartAsync(LoadOptions options, CancellationToken cancellationToken)
    {
        var target = await Target.StartAsync(options, cancellationToken);
        try
        {
            await Growth.FillAsync(target, options.Grow, cancellationToken);
            var funded = await LoadAccounts.OpenAsync(target.Account, options.Accounts, hasFunds: true,
                cancellationToken);
            string[] unfunded = [];
            if (options.RejectedShare > 0)
                unfunded = await LoadAccounts.OpenAsync(target.Account, options.Accounts, hasFunds: false,
                    cancellationToken);
            var session = new LoadSession(options, target, funded, unfunded);
            await session.WarmUpAsync(cancellationToken);
            return session;
        }
        catch
        {
            await target.DisposeAsync();
            throw;
        }
    }

    /// <summary>Places orders, waits for their terminal statuses, and computes the figures.</summary>
    /// <param name="orders">The number of orders.</param>
    /// <param name="rate">Orders per second; 0 for as fast as the clients can.</param>
    /// <param name="cancellationToken">Cancels the measurement.</param>
    /// <param name="withUsage">Whether to measure the resource usage too, which delays the start by 11 s.</param>
    public async Task<Figures> MeasureAsync(int orders, double rate, CancellationToken cancellationToken,
        bool withUsage = true)
    {
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        var before = withUsage ? await ResourceUsage.ReadBeforeAsync(_target, cancellationToken) : ResourceUsage.None;
        var run = new LoadRun(orders);
        await AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(),
                new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var placed = progress.AddTask("placed", maxValue: orders);
                var ended = progress.AddTask("terminal", maxValue: orders);
                using var stop = new CancellationTokenSource();
                var refreshing = RefreshAsync(
                    () => (placed.Value, ended.Value) = (run.Placed.Count(x => x != null), times.Count), stop.Token);
                await _placer.PlaceAllAsync(run, rate, times, cancellationToken);
                await times.WaitAsync(run.Placed, cancellationToken);
                await stop.CancelAsync();
                await refreshing;
                (placed.Value, ended.Value) = (orders, times.Count);
            });

        var after = withUsage ? await ResourceUsage.ReadAfterAsync(_target, cancellationToken) : ResourceUsage.None;
        var memory = _target.Services.ToDictionary(x => x.Key,
            x => Math.Round(ProcessStatistics.MemoryMegabytes(x.Value), 1));
        foreach (var (reason, count) in run.Failures)
            AnsiConsole.MarkupLineInterpolated($"[red]{count} calls failed: {reason}[/]");
        return Figures.From(_options with { Orders = orders, Rate = rate }, run, times, before, after, memory);
    }

    /// <summary>Offers more calls than the system can accept.</summary>
    /// <param name="rate">Calls per second.</param>
    /// <param name="duration">The time during which new orders are offered.</param>
    /// <param name="cancellationToken">Cancels the calls.</param>
    public async Task<OverloadResult> OverloadAsync(double rate, TimeSpan duration, CancellationToken cancellationToken)
    {
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        return await new OverloadGenerator(_placer, times).RunAsync(rate, duration, cancellationToken);
    }

    /// <summary>Checks the invariants; null if the databases are unknown.</summary>
    public async Task<AuditReport?> AuditAsync(CancellationToken cancellationToken) =>
        _target is { OrderDatabase: { } orders, AccountDatabase: { } accounts }
            ? await new Auditor(orders, accounts, _target.Broker)
                .AuditAsync(TimeSpan.FromSeconds(30), cancellationToken)
            : null;

    /// <summary>Audits the services, or checks a peer's sums, and prints the result.</summary>
    /// <returns>Whether every cent is there, or the databases are unknown.</returns>
    public async Task<bool> CheckAsync(CancellationToken cancellationToken)
    {
        if (_options.Peer is { } peer)
            return await PeerCheck.RunAsync(peer, _target.OrderDatabase!, _target.AccountDatabase!, cancellationToken);
        var report = await AuditAsync(cancellationToken);
        if (report == null)
            AnsiConsole.MarkupLine("[yellow]not audited: this requires --order-database and --account-database[/]");
        report?.Print();
        return report is null or { Violations.Count: 0 };
    }

    async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        if (_options.Warmup <= 0)
            return;
        Console.WriteLine($"warm-up: {_options.Warmup} orders, not measured");
        await using var times = await TerminalTimes.StartAsync(_target, _channels, cancellationToken);
        var run = new LoadRun(_options.Warmup);
        await _placer.PlaceAllAsync(run, 0, times, cancellationToken);
        await times.WaitAsync(run.Placed, cancellationToken);
    }

    static async Task RefreshAsync(Action refresh, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            refresh();
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
