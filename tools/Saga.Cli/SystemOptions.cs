using System.CommandLine;

namespace Saga.Cli;

/// <summary>The options for the databases and the broker of a running system.</summary>
sealed class SystemOptions
{
    public Option<string?> OrderDatabase { get; } =
        CliOptions.ConnectionString("--order-database", "The connection string of Order's database.");

    public Option<string?> AccountDatabase { get; } =
        CliOptions.ConnectionString("--account-database", "The connection string of Account's database.");

    public Option<Uri?> RabbitMq { get; } = CliOptions.Address("--rabbitmq",
        "The broker's address, with user, password and virtual host.", "amqp://user:password@127.0.0.1:5672/host");

    public Option<Uri?> Management { get; } =
        CliOptions.Address("--management", "The address of the broker's management UI.", "http://127.0.0.1:15672");

    public IReadOnlyList<Option> All => [OrderDatabase, AccountDatabase, RabbitMq, Management];

    public void AddTo(Command command)
    {
        foreach (var option in All)
            command.Add(option);
    }
}
