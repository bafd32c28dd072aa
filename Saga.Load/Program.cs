using System.CommandLine;
using Npgsql;
using Saga.Load.Attack;
using Saga.Load.Audit;
using Saga.Load.Compose;
using Saga.Load.Run;
using Saga.Load.Simulation;

var orders = new Option<int>("--orders") { Description = "How many orders to place.", DefaultValueFactory = _ => 1000 };
var clients = new Option<int>("--clients") { Description = "How many clients place them, each waiting for its answer.", DefaultValueFactory = _ => 32 };
var rate = new Option<double>("--rate") { Description = "Orders a second, placed on time whatever the answers; 0 for as fast as the clients can.", DefaultValueFactory = _ => 0 };
var accounts = new Option<int>("--accounts") { Description = "How many accounts pay, in turn.", DefaultValueFactory = _ => 1000 };
var warmup = new Option<int>("--warmup") { Description = "How many orders to place first, which are not measured: a service that has just started compiles itself.", DefaultValueFactory = _ => 500 };
var repeat = new Option<int>("--repeat") { Description = "How often to measure; the figures are the medians then.", DefaultValueFactory = _ => 1 };
var grow = new Option<int>("--grow") { Description = "How many orders that have ended to put into the databases first." };
var refused = new Option<double>("--refused") { Description = "Which part of the orders is placed on accounts without money, 0 to 1." };
var json = new Option<FileInfo?>("--json") { Description = "Writes the figures to this file." };
var order = Address("--order", "Order's gRPC address; without it, servers and services are started and stopped.", "http://127.0.0.1:5101");
var account = Address("--account", "Account's gRPC address.", "http://127.0.0.1:5201");
var orderDatabase = ConnectionString("--order-database", "Order's database, a connection string.");
var accountDatabase = ConnectionString("--account-database", "Account's database, a connection string.");
var amqp = Address("--rabbitmq", "The broker's address, with user, password and virtual host.", "amqp://user:password@127.0.0.1:5672/host");
var management = Address("--management", "The address of the broker's management UI.", "http://127.0.0.1:15672");
var settle = new Option<TimeSpan>("--settle") { Description = "How long the audit waits for things to become quiet.", DefaultValueFactory = _ => TimeSpan.FromSeconds(30) };

var run = new Command("run", "Places orders, measures, and audits the result.")
    { orders, clients, rate, accounts, warmup, repeat, grow, refused, json, order, account, orderDatabase, accountDatabase, amqp, management };
run.SetAction((parsed, cancellationToken) => new RunCommand(ReadOptions(parsed)).RunAsync(cancellationToken));

var rates = new Option<double[]>("--rates")
{
    Description = "The rates to offer, one after the other, until one is too much.",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => [50, 100, 200, 300, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 3000],
};
var seconds = new Option<double>("--seconds") { Description = "How long each rate is offered.", DefaultValueFactory = _ => 15 };
var picture = new Option<FileInfo>("--picture") { Description = "Where the picture goes: .svg or .png.", DefaultValueFactory = _ => new FileInfo("artifacts/sweep.svg") };
var sweep = new Command("sweep", "Offers rising rates until the system does not keep up, and draws latency against throughput.")
    { rates, seconds, picture, clients, accounts, warmup, grow, refused, json, order, account, orderDatabase, accountDatabase, amqp, management };
sweep.SetAction((parsed, cancellationToken) => new SweepCommand(ReadOptions(parsed), parsed.GetValue(rates)!, TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(picture)!)
    .RunAsync(cancellationToken));

var atBest = new Option<int>("--orders") { Description = "How many orders to place, before and after, to find out what it can do.", DefaultValueFactory = _ => 20_000 };
var factor = new Option<double>("--factor") { Description = "How many times what it can do is offered.", DefaultValueFactory = _ => 2 };
var lasts = new Option<double>("--seconds") { Description = "How long too much is offered.", DefaultValueFactory = _ => 300 };
var overload = new Command("overload", "Offers more than the system can do, for long, and measures what it does meanwhile, and its latency afterwards.")
    { atBest, factor, lasts, clients, accounts, warmup, grow, refused, order, account, orderDatabase, accountDatabase, amqp, management };
overload.SetAction((parsed, cancellationToken) =>
    new OverloadCommand(ReadOptions(parsed) with { Orders = parsed.GetValue(atBest) }, parsed.GetValue(factor), TimeSpan.FromSeconds(parsed.GetValue(lasts))).RunAsync(cancellationToken));
foreach (var command in new[] { run, sweep, overload })
    command.Validators.Add(result =>
    {
        if ((result.GetResult(order) == null) != (result.GetResult(account) == null))
            result.AddError("--order and --account go together");
        if (result.GetResult(order) == null && new Option[] { orderDatabase, accountDatabase, amqp, management }.Any(x => result.GetResult(x) != null))
            result.AddError("databases and a broker go with --order and --account: without these, a system of its own is started and measured");
    });

var (fileA, fileB) = (new Argument<FileInfo>("A.json"), new Argument<FileInfo>("B.json"));
foreach (var file in new[] { fileA, fileB })
    file.AcceptExistingOnly();
var compare = new Command("compare", "Shows two files of figures side by side.") { fileA, fileB };
compare.SetAction((parsed, cancellationToken) => CompareCommand.RunAsync(parsed.GetValue(fileA)!, parsed.GetValue(fileB)!, cancellationToken));

var audit = new Command("audit", "Checks the invariants on both databases; exit code 1 on any violation.")
    { orderDatabase, accountDatabase, amqp, management, settle };
audit.Validators.Add(result =>
{
    if (result.GetResult(orderDatabase) == null || result.GetResult(accountDatabase) == null)
        result.AddError("--order-database and --account-database are needed");
});
audit.SetAction(async (parsed, cancellationToken) =>
{
    var broker = parsed.GetValue(amqp) is { } address ? new BrokerQueues(address, parsed.GetValue(management)) : null;
    var report = await new Auditor(parsed.GetValue(orderDatabase)!, parsed.GetValue(accountDatabase)!, broker)
        .AuditAsync(parsed.GetValue(settle), cancellationToken);
    report.Print();
    return report.Violations.Count == 0 ? 0 : 1;
});

var compose = new Command("compose", "Says where docker compose has published what it started in this folder.");
compose.SetAction(async (_, cancellationToken) =>
{
    foreach (var (what, address) in (await ComposeStack.FindAsync(cancellationToken)).Addresses())
        Console.WriteLine($"{what,-28} {address}");
});

var smoke = new Command("smoke", "Tries what docker compose has started: three orders, many with replicas killed, audit.") { orders };
smoke.SetAction((parsed, cancellationToken) => new ComposeSmoke(parsed.GetValue(orders)).RunAsync(cancellationToken));

var seed = new Option<int?>("--seed") { Description = "Replays this seed alone and prints its whole history." };
var first = new Option<int>("--first") { Description = "The first seed.", DefaultValueFactory = _ => 1 };
var seeds = new Option<int>("--seeds") { Description = "How many seeds.", DefaultValueFactory = _ => 10_000 };
var mutant = new Option<Mutant>("--mutant") { Description = "With --seed: a guarantee to switch off." };
var simulate = new Command("simulate", "Runs the state machine and the funds' rules in a simulated world, one seed after the other.") { seed, first, seeds, mutant };
simulate.SetAction(parsed => parsed.GetValue(seed) is { } one
    ? SimulateCommand.Replay(one, parsed.GetValue(mutant))
    : SimulateCommand.RunMany(parsed.GetValue(first), parsed.GetValue(seeds)));

var mutants = new Command("mutants", "Switches each guarantee off in turn, and says what finds it.");
mutants.SetAction(_ => MutantHunt.Print());

var steady = new Option<double>("--rate") { Description = "Orders a second.", DefaultValueFactory = _ => 500 };
var times = new Option<int>("--repeat") { Description = "How often each is killed or restarted.", DefaultValueFactory = _ => 3 };
var recovery = new Command("recovery", "Kills each service and restarts the broker while orders come in: how long until the first is confirmed?") { steady, times, warmup };
recovery.SetAction((parsed, cancellationToken) => new RecoveryCommand(parsed.GetValue(steady), parsed.GetValue(times), parsed.GetValue(warmup)).RunAsync(cancellationToken));

var minutes = new Option<double>("--minutes") { Description = "How long it takes, healing included.", DefaultValueFactory = _ => 2 };
var plan = new Option<int>("--seed") { Description = "Decides the plan of faults.", DefaultValueFactory = _ => 1 };
var offered = new Option<double>("--rate") { Description = "Orders a second.", DefaultValueFactory = _ => 30 };
var folder = new Option<DirectoryInfo>("--folder") { Description = "Where the history goes, and the logs if anything is violated.", DefaultValueFactory = _ => new DirectoryInfo("artifacts/attack") };
var attack = new Command("attack", "Starts everything, lets go wrong what can, and judges the result.") { minutes, plan, offered, folder };
attack.SetAction((parsed, cancellationToken) =>
    new AttackCommand(parsed.GetValue(minutes), parsed.GetValue(plan), parsed.GetValue(offered), parsed.GetValue(folder)!).RunAsync(cancellationToken));

foreach (var count in new[] { orders, atBest, clients, accounts, repeat, times, seeds })
    Require(count, x => x >= 1, "is at least 1");
foreach (var count in new[] { warmup, grow })
    Require(count, x => x >= 0, "is at least 0");
foreach (var amount in new[] { seconds, factor, lasts, steady, minutes, offered })
    Require(amount, x => x > 0 && double.IsFinite(x), "is more than 0");
Require(rate, x => x >= 0 && double.IsFinite(x), "is at least 0");
Require(rates, x => x.Length > 0 && x.All(y => y > 0 && double.IsFinite(y)), "are more than 0");
Require(refused, x => x is >= 0 and <= 1, "is 0 to 1");
Require(picture, x => x.Extension.ToUpperInvariant() is ".SVG" or ".PNG", "ends in .svg or .png");

var asked = new RootCommand("Loads the order saga, measures it, and audits what it did.") { run, sweep, overload, recovery, compare, audit, compose, smoke, simulate, mutants, attack }.Parse(args);
// What drives a load has one pool thread (Saga.Load.csproj); what computes, or has the system's connections go through it, takes what there is.
if (new[] { simulate, mutants, attack }.Contains(asked.CommandResult.Command))
    ThreadPool.SetMinThreads(Environment.ProcessorCount, Environment.ProcessorCount);
return await asked.InvokeAsync();

RunOptions ReadOptions(ParseResult parsed) => new(
    parsed.GetValue(orders), parsed.GetValue(clients), parsed.GetValue(rate), parsed.GetValue(accounts), parsed.GetValue(warmup),
    Math.Max(1, parsed.GetValue(repeat)), parsed.GetValue(grow), parsed.GetValue(refused),
    parsed.GetValue(json), parsed.GetValue(order), parsed.GetValue(account), parsed.GetValue(orderDatabase), parsed.GetValue(accountDatabase),
    parsed.GetValue(amqp), parsed.GetValue(management));

static void Require<T>(Option<T> option, Func<T, bool> holds, string what) => option.Validators.Add(result =>
{
    try
    {
        if (result.Tokens.Count > 0 && result.GetValueOrDefault<T>() is { } value && !holds(value))
            result.AddError($"{option.Name} {what}");
    }
    catch (InvalidOperationException)
    {
        // It is no T, and the parser says so.
    }
});

static Option<Uri?> Address(string name, string description, string example) => new(name)
{
    Description = description,
    CustomParser = result =>
    {
        var (text, scheme) = (result.Tokens.Single().Value, new Uri(example).Scheme);
        if (Uri.TryCreate(text, UriKind.Absolute, out var address) && (address.Scheme == scheme || address.Scheme == $"{scheme}s"))
            return address;
        result.AddError($"{name} takes an address such as {example}, not {text}");
        return null;
    },
};

static Option<string?> ConnectionString(string name, string description) => new(name)
{
    Description = description,
    CustomParser = result =>
    {
        var text = result.Tokens.Single().Value;
        try
        {
            return new NpgsqlConnectionStringBuilder(text).ConnectionString;
        }
        catch (ArgumentException e)
        {
            result.AddError($"{name} takes a connection string such as Host=127.0.0.1;Port=5432;Database=orders;Username=orders;Password=…: {e.Message}");
            return null;
        }
    },
};
