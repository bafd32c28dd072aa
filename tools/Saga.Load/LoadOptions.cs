namespace Saga.Load;

/// <summary>The options of a load, as the command line describes them.</summary>
sealed record LoadOptions(
    int Orders,
    int Clients,
    double Rate,
    int Accounts,
    int Warmup,
    int Repeat,
    int Grow,
    double Refused,
    FileInfo? Json,
    Uri? Order,
    Uri? Account,
    string? OrderDatabase,
    string? AccountDatabase,
    Uri? RabbitMq,
    Uri? Management);
