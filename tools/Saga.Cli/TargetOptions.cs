using System.CommandLine;
using Saga.Load;

namespace Saga.Cli;

/// <summary>The common options of <c>load</c>, <c>sweep</c> and <c>overload</c>.</summary>
sealed class TargetOptions
{
    readonly Option<int> _clients = CliOptions.Count("--clients",
        "The number of clients; each waits for the response to its last call.", 32);

    readonly Option<int> _accounts = CliOptions.Count("--accounts", "The number of accounts that pay, in turn.", 1000);

    readonly Option<int> _warmup = CliOptions.Count("--warmup",
        "The number of orders before the measurement, because a service compiles code after its start.", 500, min: 0);

    readonly Option<int> _grow =
        CliOptions.Count("--grow", "The number of finished orders to insert first.", 0, min: 0);

    readonly Option<double> _rejectedShare = new Option<double>("--refused")
    {
        Description = "The share of the orders that is placed on accounts without funds, 0 to 1.",
    }.Requires(x => x is >= 0 and <= 1, "must be 0 to 1");

    readonly Option<Uri?> _order = CliOptions.Address("--order",
        "Order's gRPC address; without it, servers and services are started and stopped.", "http://127.0.0.1:5101");

    readonly Option<Uri?> _account =
        CliOptions.Address("--account", "Account's gRPC address.", "http://127.0.0.1:5201");

    readonly SystemOptions _system = new();
    readonly Option<bool> _noBuild = CliOptions.NoBuild();

    public TargetOptions(int defaultOrders, string ordersDescription = "The number of orders to place.") =>
        Orders = CliOptions.Count("--orders", ordersDescription, defaultOrders);

    /// <summary>The number of orders.</summary>
    public Option<int> Orders { get; }

    /// <summary>The rate, in orders per second.</summary>
    public Option<double> Rate { get; } = new Option<double>("--rate")
    {
        Description = "Orders per second, independent of the responses; 0 for as fast as the clients can.",
    }.Requires(x => x >= 0 && double.IsFinite(x), "must be at least 0");

    /// <summary>The number of measurements.</summary>
    public Option<int> Repeat { get; } =
        CliOptions.Count("--repeat", "The number of measurements; the figures are their medians.", 1);

    /// <summary>The file for the figures.</summary>
    public Option<FileInfo?> Json { get; } = new("--json") { Description = "Writes the figures to this file." };

    /// <summary>Whether to measure the twin instead of the services.</summary>
    public Option<bool> Twin { get; } = new("--twin")
    {
        Description = "Measures the twin, a minimal implementation of the same order flow, instead of the services.",
    };

    /// <summary>Whether to measure the same flow on Wolverine instead of the services.</summary>
    public Option<bool> Wolverine { get; } = new("--wolverine")
    {
        Description = "Measures the same order flow on Wolverine (benchmarks/) instead of the services.",
    };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="more">The options of this class that only some commands have.</param>
    public void AddTo(Command command, params Option[] more)
    {
        Option[] common = [_clients, _accounts, _warmup, _grow, _rejectedShare, _order, _account];
        foreach (var option in more.Concat(common))
            command.Add(option);
        _system.AddTo(command);
        command.Add(_noBuild);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(_order) == null) != (result.GetResult(_account) == null))
                result.AddError("--order and --account must be used together");
            if (result.GetResult(_order) == null && _system.All.Any(x => result.GetResult(x) != null))
                result.AddError("addresses of databases and broker require --order and --account");
            foreach (var peer in new[] { Twin, Wolverine }.Where(x => result.GetResult(x) != null))
                foreach (var option in new Option[] { _order, _account, _rejectedShare, _grow, Twin, Wolverine })
                    if (option != peer && result.GetResult(option) is { Implicit: false })
                        result.AddError($"{peer.Name} and {option.Name} cannot be used together");
        });
    }

    /// <summary>Reads the options, and publishes the services unless they run elsewhere.</summary>
    public async Task<LoadOptions> ReadAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var peer = parsed.GetValue(Twin) ? Peer.Twin : parsed.GetValue(Wolverine) ? Peer.Wolverine : null;
        if (peer != null)
            await ServiceBuild.BuildAsync(peer, parsed.GetValue(_noBuild), cancellationToken);
        else if (parsed.GetValue(_order) == null)
            await ServiceBuild.PublishAsync(parsed.GetValue(_noBuild), cancellationToken);
        return new LoadOptions(parsed.GetValue(Orders), parsed.GetValue(_clients), parsed.GetValue(Rate),
            parsed.GetValue(_accounts), parsed.GetValue(_warmup), Math.Max(1, parsed.GetValue(Repeat)),
            parsed.GetValue(_grow), parsed.GetValue(_rejectedShare), parsed.GetValue(Json), peer,
            parsed.GetValue(_order), parsed.GetValue(_account), parsed.GetValue(_system.OrderDatabase),
            parsed.GetValue(_system.AccountDatabase), parsed.GetValue(_system.RabbitMq),
            parsed.GetValue(_system.Management));
    }
}
