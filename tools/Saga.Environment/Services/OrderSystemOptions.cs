namespace Saga.Services;

/// <summary>The options of an <see cref="OrderSystem" />.</summary>
public sealed record OrderSystemOptions
{
    /// <summary>
    /// The suffix of the databases and the virtual host, which separates systems on the same servers; empty for none.
    /// </summary>
    public string Suffix { get; init; } = "";

    /// <summary>The number of processes of Order.</summary>
    public int OrderReplicas { get; init; } = 1;

    /// <summary>The number of processes of Account.</summary>
    public int AccountReplicas { get; init; } = 1;

    /// <summary>Whether to run the process for operators, too.</summary>
    public bool WithOperations { get; init; }

    /// <summary>
    /// Whether the services trust the development issuer, which then runs, too; otherwise, they trust the tools.
    /// </summary>
    public bool WithIssuer { get; init; }

    /// <summary>The build of the services to run.</summary>
    public ServicePrograms Programs { get; init; } = ServicePrograms.Published;

    /// <summary>Whether the first process of each service prefers the documented ports.</summary>
    public bool WellKnownPorts { get; init; }

    /// <summary>
    /// Whether each service runs with the login that owns its database, and migrates it when it starts. Otherwise it
    /// runs with one that only reads and writes rows, and the owner migrates before.
    /// </summary>
    public bool RunAsOwner { get; init; }

    /// <summary>
    /// The suffix of the databases of <see cref="OrderSystem.MigrateOnlyAsync" />, of which this system gets copies
    /// instead of migrating its own; null to migrate.
    /// </summary>
    public string? CopyOf { get; init; }

    /// <summary>Changes the configuration of each process, for example the addresses of the servers.</summary>
    public Func<IReadOnlyDictionary<string, string>, IReadOnlyDictionary<string, string>>? Adjust { get; init; }

    /// <summary>
    /// Called when the databases and the virtual host exist, before the processes start; null for nothing.
    /// </summary>
    public Func<OrderSystem, Task>? PrepareAsync { get; init; }

    /// <summary>Additional configuration of both services, as environment variables.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}
