using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;
using Grpc.Net.Client;
using Saga.Audit;
using Saga.Services;

namespace Saga.Load;

/// <summary>The containers of docker-compose.yml, with their published ports and passwords.</summary>
sealed class ComposeStack
{
    const string Issuer = "issuer-service";
    const int Http = 8080, Grpc = 8081, Postgres = 5432, Amqp = 5672, Management = 15672;

    const int MaxAttempts = 5;
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    readonly Container[] _containers;
    readonly JsonElement _services;
    DevelopmentTokens? _tokens;

    ComposeStack(Container[] containers, JsonElement services) => (_containers, _services) = (containers, services);

    /// <summary>Queries docker compose in the current folder.</summary>
    public static async Task<ComposeStack> FindAsync(CancellationToken cancellationToken)
    {
        var config = JsonDocument.Parse(
            await DockerAsync(["compose", "config", "--format", "json"], cancellationToken));
        // Versions of compose print either one object per line or one array.
        var listed = (await DockerAsync(["compose", "ps", "--all", "--format", "json"], cancellationToken)).Trim();
        var containers = listed.StartsWith('[') ? JsonDocument.Parse(listed).RootElement.EnumerateArray()
            : listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(x => JsonDocument.Parse(x).RootElement);
        return new ComposeStack([.. containers.Select(Container.Read)], config.RootElement.GetProperty("services"));
    }

    /// <summary>The names of a service's containers, sorted.</summary>
    public IReadOnlyList<string> Names(string service) =>
        [.. _containers.Where(x => x.Service == service).Select(x => x.Name).Order()];

    /// <summary>The tokens of the development issuer.</summary>
    public DevelopmentTokens Tokens => _tokens ??= new DevelopmentTokens(
        new Uri($"http://127.0.0.1:{Port(Issuer, Http)}"), Setting(Issuer, "Issuer__Password"));

    /// <summary>Opens a gRPC connection to each replica of a service.</summary>
    public IReadOnlyList<GrpcChannel> Connect(string service) =>
        [.. _containers.Where(x => x.Service == service).OrderBy(x => x.Name)
            .Select(x => BearerCredentials.Connect(
                new Uri($"http://127.0.0.1:{x.Ports[Grpc]}"), () => Tokens.GetAsync("alice")))];

    /// <summary>The published addresses, for the console.</summary>
    public IEnumerable<(string What, string Address)> Addresses() =>
        from c in _containers
        from p in c.Ports
        orderby c.Name, p.Key
        select (c.Name, (p.Key is Management or Http ? "http://" : "") + $"127.0.0.1:{p.Value}" + p.Key switch
        {
            Http when c.Service == Issuer => "  tokens, users alice, bob and operator, password "
                + Setting(Issuer, "Issuer__Password"),
            Http => "  JSON",
            Grpc => "  gRPC",
            Management => $"  management, user admin, password {Setting("rabbitmq", "RABBITMQ_ADMIN_PASSWORD")}",
            Amqp => "  AMQP",
            _ => "  PostgreSQL, user postgres",
        });

    /// <summary>Audits both databases and the broker.</summary>
    public Task<AuditReport> AuditAsync(CancellationToken cancellationToken)
    {
        string Database(string service, string name) =>
            $"Host=127.0.0.1;Port={Port(service, Postgres)};Database={name};"
            + $"Username=postgres;Password={Setting(service, "POSTGRES_PASSWORD")}";
        var password = Uri.EscapeDataString(Setting("rabbitmq", "RABBITMQ_ADMIN_PASSWORD"));
        var broker = new BrokerQueues(
            new Uri($"amqp://admin:{password}@127.0.0.1:{Port("rabbitmq", Amqp)}/ordersaga"),
            new Uri($"http://127.0.0.1:{Port("rabbitmq", Management)}/"));
        return new Auditor(Database("order-db", "orders"), Database("account-db", "accounts"), broker)
            .AuditAsync(TimeSpan.FromSeconds(60), cancellationToken);
    }

    /// <summary>Runs a docker command on containers, such as pause or kill.</summary>
    public static Task OnEachAsync(string verb, IEnumerable<string> containers, CancellationToken cancellationToken) =>
        Task.WhenAll(containers.Select(x => DoAsync(verb, x, cancellationToken)));

    static async Task DoAsync(string verb, string container, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
            try
            {
                await DockerAsync([verb, container], cancellationToken);
                return;
            }
            catch (InvalidOperationException e) when (attempt < MaxAttempts
                && e.Message.Contains("unable to freeze", StringComparison.Ordinal))
            {
                await Task.Delay(RetryDelay, cancellationToken); // its processes were too busy to be paused
            }
    }

    int Port(string service, int target) => _containers.Single(x => x.Service == service).Ports[target];

    string Setting(string service, string name) =>
        _services.GetProperty(service).GetProperty("environment").GetProperty(name).GetString()!;

    static async Task<string> DockerAsync(string[] arguments, CancellationToken cancellationToken)
    {
        var result = await Cli.Wrap("docker").WithArguments(arguments).WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync(cancellationToken);
        return result.ExitCode == 0 ? result.StandardOutput
            : throw new InvalidOperationException(
                $"docker {string.Join(' ', arguments)} failed: {result.StandardError.Trim()}");
    }

    sealed record Container(string Name, string Service, IReadOnlyDictionary<int, int> Ports)
    {
        public static Container Read(JsonElement x)
        {
            var hasPorts = x.TryGetProperty("Publishers", out var publishers)
                && publishers.ValueKind == JsonValueKind.Array;
            var ports = hasPorts ? publishers.EnumerateArray() : default(JsonElement.ArrayEnumerator);
            return new Container(x.GetProperty("Name").GetString()!, x.GetProperty("Service").GetString()!, ports
                .Where(p => p.GetProperty("PublishedPort").GetInt32() > 0)
                .GroupBy(p => p.GetProperty("TargetPort").GetInt32())
                .ToDictionary(p => p.Key, p => p.First().GetProperty("PublishedPort").GetInt32()));
        }
    }
}
