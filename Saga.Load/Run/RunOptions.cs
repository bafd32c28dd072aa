namespace Saga.Load.Run;

/// <summary>What <c>run</c> was asked for; its options say what they mean.</summary>
sealed record RunOptions(
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
