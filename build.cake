using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Xml.Linq;

var target = Argument("target", "Help");
var configuration = Argument("configuration", "Release");
var results = MakeAbsolute(Directory("./artifacts/test-results")).FullPath;
var passed = 0;
var failed = 0;
var skipped = 0;
var failures = new List<string>();

string Program(string name) => $"./artifacts/bin/{name}/{configuration.ToLowerInvariant()}/{name}.dll";

// Runs a command of Saga.Cli; its --help describes all commands.
void Saga(params string[] command) => Exec(["dotnet", Program("Saga.Cli"), .. command]);

Task("Help").Description("Lists the targets.").Does(() =>
{
    foreach (var task in Tasks)
        Information("{0,-18} {1}", task.Name, task.Description);
});

Task("Build").Description("Builds everything; warnings are errors.").Does(() => Compile("./OrderSaga.sln"));

Task("Build-Run").Description("Builds what Run needs: the services and the command line, no tests.")
    .Does(() => Compile("./tools/Saga.Cli/Run.slnf", analyze: false)); // Lint and Build analyze

Task("Publish").Description("Compiles the services ahead of time for loads, attacks and end-to-end tests.")
    .IsDependentOn("Build").Does(() =>
    Exec("dotnet", "msbuild", "tools/Saga.Environment/services.proj", "-t:Publish",
        $"-p:Configuration={configuration}", "-nologo", "-v:minimal", "-m"));

Task("Servers").Description("Installs PostgreSQL and RabbitMQ if they are missing (requires root).").Does(() =>
{
    var choice = EnvironmentVariable("ORDERSAGA_SERVERS");
    if (choice is "given" or "docker" || (string.IsNullOrEmpty(choice) && HasEnvironmentVariable("ORDERSAGA_POSTGRES")))
        return;
    var missing = new List<string>();
    if (!IsInstalled("initdb", "/usr/lib/postgresql/*/bin/initdb"))
        missing.Add("postgresql");
    if (!IsInstalled("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"))
        missing.Add("rabbitmq-server");
    // A Docker engine may run but lack the images, so the containers are started once to find out.
    if (missing.Count == 0 || (choice != "local" && Start("sh", "-c", "docker info >/dev/null 2>&1") == 0
        && Start("dotnet", Program("Saga.Cli"), "servers") == 0))
        return;
    if (!CanInstall())
        throw new CakeException($"{string.Join(" and ", missing)} are not installed; run as root: "
            + $"apt-get install -y {string.Join(" ", missing)}");
    Install(missing);
});

Task("Proxies")
    .Description("Installs PgBouncer, nginx, Prometheus and Chromium for their tests if they are missing and this is "
        + "possible.")
    .Does(() =>
{
    var missing = new[] { "pgbouncer", "nginx" }.Where(x => !IsInstalled(x, $"/usr/sbin/{x}")).ToList();
    missing.AddRange(new[] { "prometheus", "chromium" }.Where(x => !IsInstalled(x, $"/usr/bin/{x}")));
    if (missing.Count > 0 && CanInstall())
        Install(missing);
});

Task("Patroni").Description("Installs Patroni and etcd if they are missing (requires root).").Does(() =>
{
    var missing = new[] { ("patroni", "patroni"), ("etcd", "etcd-server") }
        .Where(x => !IsInstalled(x.Item1, $"/usr/bin/{x.Item1}")).Select(x => x.Item2).ToList();
    if (missing.Count == 0)
        return;
    if (!CanInstall())
        throw new CakeException($"{string.Join(" and ", missing)} are not installed; run as root: "
            + $"apt-get install -y {string.Join(" ", missing)}");
    Install(missing);
});

// Has everything encrypt its connections with certificates of this machine.
void UseTls()
{
    const string folder = "./artifacts/tls";
    Saga("certificates", folder);
    Environment.SetEnvironmentVariable("ORDERSAGA_TLS", MakeAbsolute(Directory(folder)).FullPath);
    Environment.SetEnvironmentVariable("SSL_CERT_FILE", MakeAbsolute(File($"{folder}/ca.pem")).FullPath);
}

Task("Run")
    .Description("Starts everything with a dashboard, places three orders, runs until Ctrl-C (--smoke: stops after the "
        + "orders; --no-dashboard; --tls: with TLS on every connection).")
    .IsDependentOn("Build-Run").IsDependentOn("Servers").Does(() =>
{
    if (HasArgument("tls"))
        UseTls();
    System.IO.File.WriteAllText("artifacts/run.stamp", ""); // build.sh skips the build while no file is newer
    Saga("up", "--no-build", HasArgument("smoke") ? "--smoke" : "",
        HasArgument("no-dashboard") ? "--no-dashboard" : "");
});

Task("Sbom").Description("Writes the CycloneDX bill of materials of each service to artifacts/sbom.").Does(() =>
{
    foreach (var service in new[] { "Order", "Account", "Operations", "Issuer" })
    {
        var project = $"{service}.Service/Host/{service}.Service.csproj";
        Exec("dotnet", "restore", project);
        Exec("dotnet", "dotnet-CycloneDX", project, "--disable-package-restore",
            "--base-intermediate-output-path", "artifacts/obj",
            "--exclude-filter", "Microsoft.EntityFrameworkCore.Design,Grpc.Tools", // they are not published
            "--output", "artifacts/sbom", "--filename", $"{service.ToLowerInvariant()}-service.json",
            "--output-format", "Json");
    }
});

Task("Images").Description("Builds the services' Docker images.").Does(() => Exec("docker", "compose", "build"));

Task("Up")
    .Description("Starts the system in Docker and prints its addresses (--replicas=N of each service; --cluster: with "
        + "a broker of three nodes).")
    .IsDependentOn("Build").Does(() =>
{
    ChooseCompose();
    ComposeUp(Argument("replicas", "1"));
});

Task("Down").Description("Stops the system that Up has started (--cluster, if Up had it); keeps its data (--wipe: "
        + "deletes it).")
    .Does(() =>
{
    ChooseCompose();
    Exec("docker", "compose", "down", "--timeout", "15", HasArgument("wipe") ? "--volumes" : "");
});

Task("Smoke")
    .Description("In Docker: places three orders, then 500 while a replica of each service is killed; audits, stops "
        + "(--cluster: with a broker of three nodes, of which one is killed, too).")
    .IsDependentOn("Build").Does(() =>
{
    ChooseCompose();
    // A separate project on other ports, so that a system that Up has started keeps running.
    Environment.SetEnvironmentVariable("COMPOSE_PROJECT_NAME", "ordersaga-smoke");
    var ports = new[]
    {
        ("ORDER_DB_PORT", 5443), ("ACCOUNT_DB_PORT", 5444),
        ("OPERATIONS_GRPC_PORT", 5311), ("OPERATIONS_HTTP_PORT", 5321), ("ISSUER_PORT", 5421),
        ("RABBITMQ_PORT", 5683), ("RABBITMQ_MANAGEMENT_PORT", 15683),
    };
    foreach (var (setting, port) in ports)
        Environment.SetEnvironmentVariable(setting, $"{port}");
    ComposeUp(Argument("replicas", "2"));
    Saga("smoke", "--orders", "500");
}).Finally(() => Start("docker", "compose", "down", "--timeout", "15", "--volumes"));

Task("Load").Description("Measures the system under load and audits it: --orders=N --clients=C --accounts=A --rate=R.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() => Saga("load", "--no-build",
        "--orders", Argument("orders", "5000"), "--clients", Argument("clients", "32"),
        "--accounts", Argument("accounts", "1000"), "--rate", Argument("rate", "0")));

Task("Benchmark")
    .Description("Measures the services and the same flow on Wolverine in turn, and draws both: --orders=N --clients=C "
        + "--repeat=R.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() =>
{
    string[] load = ["load", "--orders", Argument("orders", "15000"), "--clients", Argument("clients", "64"),
        "--accounts", "1000", "--warmup", "10000", "--json"];
    for (var run = 1; run <= Argument("repeat", 3); run++)
    {
        var ours = $"artifacts/benchmarks/services-{run}.json";
        var wolverine = $"artifacts/benchmarks/wolverine-{run}.json";
        Saga([.. load, ours, "--no-build"]);
        Saga([.. load, wolverine, "--wolverine"]);
        Saga("compare", ours, wolverine);
    }

    string[] sweep = ["sweep", "--clients", Argument("clients", "64"), "--warmup", "10000"];
    Saga([.. sweep, "--wolverine", "--rates", "20", "50", "100", "150", "200", "300", "400",
        "--json", "artifacts/benchmarks/sweep-wolverine.json", "--picture", "artifacts/benchmarks/wolverine.svg"]);
    Saga([.. sweep, "--no-build", "--beside", "artifacts/benchmarks/sweep-wolverine.json",
        "--picture", "artifacts/benchmarks/latency.svg"]);
});

Task("Migrate").Description("Migrates the databases of ORDER_DATABASE and ACCOUNT_DATABASE (connection strings).")
    .IsDependentOn("Build").Does(() =>
{
    foreach (var service in new[] { "Order", "Account" })
    {
        var database = EnvironmentVariable($"{service.ToUpperInvariant()}_DATABASE")
            ?? throw new CakeException($"{service.ToUpperInvariant()}_DATABASE is not set: set it to the "
                + $"connection string of {service}'s database");
        Environment.SetEnvironmentVariable("ConnectionStrings__Database", database);
        Environment.SetEnvironmentVariable("ConnectionStrings__RabbitMq", "amqp://not.used/");
        Exec("dotnet", Program($"{service}.Service"), "--migrate");
    }
});

Task("Test-Unit").Description("Tests without servers.").IsDependentOn("Build").Does(() => Test("Unit"));

Task("Test-Simulation").Description("Tests of the simulation: 10,000 seeds, and every mutant.")
    .IsDependentOn("Build").Does(() => Test("Simulation"));

Task("Simulate")
    .Description("Runs the simulation: --seeds=N, or --seed=S for the trace of one seed; --partitions=N; "
        + "--ordinary=true.")
    .IsDependentOn("Build").Does(() => Saga("simulate", HasArgument("seed") ? "--seed" : "--seeds",
        Argument("seed", Argument("seeds", "10000")), "--partitions", Argument("partitions", "1"),
        "--ordinary", Argument("ordinary", "false")));

Task("Mutants").Description("Switches each guarantee off in turn, and prints which check detects it.")
    .IsDependentOn("Build").Does(() => Saga("mutants"));

Task("Attack").Description("Injects faults into real processes and servers under load: --minutes=M --seed=S.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() => Saga("attack", "--no-build",
        "--minutes", Argument("minutes", "2"), "--seed", Argument("seed", "1")));

Task("Cluster").Description("Attacks clusters of RabbitMQ and PostgreSQL: single servers are lost, roles change: "
        + "--minutes=M --seed=S.")
    .IsDependentOn("Publish").IsDependentOn("Servers").IsDependentOn("Patroni").Does(() => Saga("attack", "--cluster",
        "--no-build", "--minutes", Argument("minutes", "14"), "--seed", Argument("seed", "1"),
        "--rate", Argument("rate", "15")));

Task("Drill").Description("Tries what operators do about each of the drill's faults: --fault=NAME for one.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() => Saga("drill", "--no-build",
        "--fault", Argument("fault", "")));

Task("Fuzz").Description("Sends damaged calls to both APIs, and checks what comes of it: --calls=N --seed=S.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() => Saga("fuzz", "--no-build",
        "--calls", Argument("calls", "20000"), "--seed", Argument("seed", "1")));

Task("Test-Integration").Description("Tests on real PostgreSQL and RabbitMQ: --without=PART of a name to leave it out.")
    .IsDependentOn("Publish").IsDependentOn("Servers").Does(() =>
{
    var without = Argument("without", "");
    Test("Integration", without == "" ? Split("Tests.Messaging.") : [$"&FullyQualifiedName!~{without}"]);
});

Task("Test-E2E").Description("Tests of both services as real processes (--tls: with TLS on every connection).")
    .IsDependentOn("Publish").IsDependentOn("Servers").IsDependentOn("Proxies").Does(() =>
{
    if (HasArgument("tls"))
        UseTls();
    // These namespaces take about half of the time.
    Test("E2E", Split("EndToEnd.Clients.|EndToEnd.Environments.|EndToEnd.Observability."));
});

Task("Test-Long").Description("Tests that take long, which Test leaves out: outages, timeouts, millions of rows.")
    .IsDependentOn("Publish").IsDependentOn("Servers").IsDependentOn("Proxies").Does(() => Test("Long"));

Task("Test").Description("All tests, except Test-Long.")
    .IsDependentOn("Test-Unit").IsDependentOn("Test-Simulation")
    .IsDependentOn("Test-Integration").IsDependentOn("Test-E2E");

Task("Lint").Description("Checks the line width, the format and the analyzers; changes nothing.").Does(() =>
{
    const int maxColumns = 120;
    var wide = GetFiles("./**/*.{cs,razor,cake,csproj,props,proto,sh,sql}").Select(x => x.FullPath)
        .Where(x => !x.Contains("/artifacts/") && !x.Contains("/Migrations/"))
        .SelectMany(x => System.IO.File.ReadLines(x).Select((line, i) => (Place: $"{x}:{i + 1}", line.Length)))
        .Where(x => x.Length > maxColumns).ToList();
    foreach (var (place, length) in wide)
        Error("{0}: {1} columns, more than {2}", place, length, maxColumns);
    if (wide.Count > 0)
        throw new CakeException($"{wide.Count} lines are wider than {maxColumns} columns");
    Exec("dotnet", "format", "OrderSaga.sln", "--verify-no-changes");
});

Task("Format").Description("Formats the code.").Does(() => Exec("dotnet", "format", "OrderSaga.sln"));

Teardown(_ =>
{
    if (passed + failed + skipped > 0)
    {
        failures.ForEach(x => Console.WriteLine($"FAILED: {x}"));
        Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
    }
});

RunTarget(target);

bool IsInstalled(string program, string debian) => GetFiles(debian).Any()
    || EnvironmentVariable("PATH").Split(':').Any(x => System.IO.File.Exists($"{x}/{program}"));

bool CanInstall() => Environment.UserName == "root" && System.IO.File.Exists("/usr/bin/apt-get");

void Install(List<string> packages)
{
    Information("installing {0}", string.Join(" and ", packages));
    // The policy keeps the packages from starting their own servers.
    const string policy = "/usr/sbin/policy-rc.d";
    var hadPolicy = System.IO.File.Exists(policy);
    if (!hadPolicy)
        Shell($"printf '#!/bin/sh\\nexit 101\\n' > {policy} && chmod +x {policy}");
    try
    {
        Shell("export DEBIAN_FRONTEND=noninteractive; apt-get update -qq >/dev/null && "
            + $"apt-get install -y --no-install-recommends {string.Join(" ", packages)} >/dev/null");
    }
    finally
    {
        if (!hadPolicy)
            System.IO.File.Delete(policy);
    }
}

void Compile(string solution, bool analyze = true) => DotNetBuild(solution, new DotNetBuildSettings
{
    Configuration = configuration,
    NoLogo = true,
    Verbosity = DotNetVerbosity.Minimal,
    MSBuildSettings = new DotNetMSBuildSettings { MaxCpuCount = 0 }.WithProperty("RunAnalyzers", $"{analyze}"),
});

// Runs the tests of a category that match each filter in a process with servers of its own, all at the same time.
void Test(string category, params string[] filters)
{
    // Single tests of a fixture of another category can be long, too.
    var common = category == "Long" ? "TestCategory=Long" : $"TestCategory={category}&TestCategory!=Long";
    var shards = (filters is [] ? [""] : filters)
        .Select((filter, i) => (File: $"{results}/{category}-{i + 1}.trx", Filter: common + filter)).ToList();
    var codes = shards.AsParallel().WithDegreeOfParallelism(shards.Count).Select(x => RunTests(x.File, x.Filter))
        .ToList();
    shards.ForEach(x => CountTests(x.File));
    if (codes.Exists(x => x != 0))
        throw new CakeException($"{category} tests failed");
}

// A filter for each of these parts of the tests, parts of names separated by |, and one for the rest.
string[] Split(params string[] parts)
{
    var names = parts.Select(x => x.Split('|')).ToList();
    var filters = names.Select(x => $"&({string.Join('|', x.Select(y => $"FullyQualifiedName~{y}"))})");
    return [.. filters, string.Concat(names.SelectMany(x => x).Select(x => $"&FullyQualifiedName!~{x}"))];
}

int RunTests(string file, string filter)
{
    if (FileExists(file))
        DeleteFile(file);
    return Start("dotnet", "test", $"artifacts/bin/Saga.Tests/{configuration.ToLowerInvariant()}/Saga.Tests.dll",
        "--filter", filter, "--results-directory", results,
        "--logger", $"trx;LogFileName={System.IO.Path.GetFileName(file)}", "--logger", "console;verbosity=normal");
}

void CountTests(string file)
{
    if (!FileExists(file))
        return;
    var trx = XDocument.Load(file).Descendants().ToList();
    var counters = trx.Single(x => x.Name.LocalName == "Counters");
    int Count(string name) => (int)counters.Attribute(name);
    passed += Count("passed");
    failed += Count("failed");
    skipped += Count("total") - Count("executed");
    failures.AddRange(trx.Where(x => (string)x.Attribute("outcome") == "Failed" && x.Attribute("testName") != null)
        .Select(x => $"{(string)x.Attribute("testName")}: " + OneLine(x.Descendants()
            .FirstOrDefault(y => y.Name.LocalName == "Message")?.Value)));
}

string OneLine(string message) =>
    string.Join(' ', (message ?? "no message").Split((char[])null, StringSplitOptions.RemoveEmptyEntries));

void ChooseCompose()
{
    if (HasArgument("cluster"))
        Environment.SetEnvironmentVariable("COMPOSE_FILE", "docker-compose.yml:docker-compose.cluster.yml");
}

void ComposeUp(string replicas)
{
    if (!FileExists("./.env"))
    {
        Shell("umask 077; docker/new-env > .env");
        Information(".env was created: it contains the ports, and passwords that nobody else has");
    }

    Exec("docker", "compose", "up", "--detach", "--build", "--wait", "--wait-timeout", "300",
        "--scale", $"order-service={replicas}", "--scale", $"account-service={replicas}");
    Saga("compose");
}

void Shell(string script) => Exec("sh", "-c", script);

void Exec(params string[] command)
{
    var code = Start(command);
    if (code != 0)
        throw new CakeException($"{string.Join(" ", command)} failed with exit code {code}");
}

// Runs a program in this terminal and forwards signals to it, so that it never outlives the build.
int Start(params string[] command)
{
    var start = new ProcessStartInfo(command[0]) { UseShellExecute = false };
    foreach (var argument in command.Skip(1).Where(x => x != ""))
        start.ArgumentList.Add(argument);
    using var process = System.Diagnostics.Process.Start(start);
    void Forward(PosixSignalContext context)
    {
        context.Cancel = true;
        System.Diagnostics.Process.Start("kill",
            $"-{(context.Signal == PosixSignal.SIGINT ? "INT" : "TERM")} {process.Id}");
    }

    using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Forward);
    using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Forward);
    process.WaitForExit();
    return process.ExitCode;
}
