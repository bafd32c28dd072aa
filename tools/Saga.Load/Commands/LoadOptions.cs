namespace Saga.Load;

/// <summary>The options of a load, as described by the command line's help.</summary>
sealed record LoadOptions(
    int Orders,
    int Clients,
    double Rate,
    int Accounts,
    int Warmup,
    int Repeat,
    int Grow,
    double RejectedShare,
    FileInfo? Json,
    Peer? Peer,
    Uri? Order,
    Uri? Account,
    string? OrderDatabase,
    string? AccountDatabase,
    Uri? RabbitMq,
    Uri? Management)
{
    /// <summary>Whether PostgreSQL measures its statements.</summary>
    public bool MeasureStatements { get; init; }

    /// <summary>Whether the service for operators runs, too.</summary>
    public bool WithOperations { get; init; }
}
