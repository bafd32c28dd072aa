using System.CommandLine;
using Saga.Load;

namespace Saga.Cli;

/// <summary>The options that <c>load</c>, <c>sweep</c> and <c>overload</c> have in common.</summary>
sealed class TargetOptions
{
    /// <summary>How many orders to place.</summary>
    public Option<int> Orders { get; }

    readonly Option<int> _clients = CliOptions.Count("--clients",
        "The number of clients; each waits for the response to its last call.", 32);
    /// <summary>How many orders per second to place.</summary>
    public Option<double> Rate { get; } = new Option<double>("--rate")
    {
        Description = "Orders per second, placed on time whatever the responses; 0 for as fast as the clients can.",
    }.Requires(x => x >= 0 && double.IsFinite(x), "must be at least 0");
    readonly Option<int> _accounts = CliOptions.Count("--accounts", "The number of accounts that pay, in turn.", 1000);
    readonly Option<int> _warmup = CliOptions.Count("--warmup",
        "The number of orders to place before measuring: a service that has just started is still being compiled.", 500, min: 0);
    /// <summary>How often to measure.</summary>
    public Option<int> Repeat { get; } = CliOptions.Count("--repeat", "The number of measurements; the figures are their medians.", 1);
    readonly Option<int> _grow = CliOptions.Count("--grow", "The number of finished orders to insert first.", 0, min: 0);
    readonly Option<double> _refused = new Option<double>("--refused")
    {
        Description = "The part of the orders that is placed on accounts without money, 0 to 1.",
    }.Requires(x => x is >= 0 and <= 1, "must be 0 to 1");
    /// <summary>Where to write the figures.</summary>
    public Option<FileInfo?> Json { get; } = new("--json") { Description = "Writes the figures to this file." };
    readonly Option<Uri?> _order = CliOptions.Address("--order",
        "Order's gRPC address; without it, servers and services are started and stopped.", "http://127.0.0.1:5101");
    readonly Option<Uri?> _account = CliOptions.Address("--account", "Account's gRPC address.", "http://127.0.0.1:5201");
    readonly SystemOptions _system = new();
    readonly Option<bool> _noBuild = CliOptions.NoBuild();

    public TargetOptions(int defaultOrders, string ordersDescription = "The number of orders to place.") =>
        Orders = CliOptions.Count("--orders", ordersDescription, defaultOrders);

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="more">Options of this class that not all of the commands have.</param>
    public void AddTo(Command command, params Option[] more)
    {
        foreach (var option in (Option[])[.. more, _clients, _accounts, _warmup, _grow, _refused, _order, _account])
            command.Add(option);
        _system.AddTo(command);
        command.Add(_noBuild);
        command.Validators.Add(result =>
        {
            if ((result.GetResult(_order) == null) != (result.GetResult(_account) == null))
                result.AddError("--order and --account go together");
            if (result.GetResult(_order) == null && _system.All.Any(x => result.GetResult(x) != null))
                result.AddError("databases and a broker go with --order and --account: without these, a system is started");
        });
    }

    /// <summary>Builds the services unless they exist elsewhere, and reads the options.</summary>
    public async Task<LoadOptions> ReadAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_order) == null)
            await ServiceBuild.PublishAsync(parsed.GetValue(_noBuild), cancellationToken);
        return new LoadOptions(parsed.GetValue(Orders), parsed.GetValue(_clients), parsed.GetValue(Rate),
            parsed.GetValue(_accounts), parsed.GetValue(_warmup), Math.Max(1, parsed.GetValue(Repeat)),
            parsed.GetValue(_grow), parsed.GetValue(_refused), parsed.GetValue(Json), parsed.GetValue(_order),
            parsed.GetValue(_account), parsed.GetValue(_system.OrderDatabase), parsed.GetValue(_system.AccountDatabase),
            parsed.GetValue(_system.RabbitMq), parsed.GetValue(_system.Management));
    }
}
