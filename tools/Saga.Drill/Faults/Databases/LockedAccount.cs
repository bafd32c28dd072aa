using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace Saga.Drill;

/// <summary>Somebody has locked an account by hand, and has forgotten the transaction.</summary>
sealed partial class LockedAccount(DrillPlant plant) : DrillFault(plant)
{
    NpgsqlConnection? _session;

    public override string Name => "account locked";

    public override string Cause => $"The account is locked by session {_session!.ProcessID}";

    public override async Task InjectAsync(CancellationToken cancellationToken)
    {
        var database = Plant.System.Servers.Postgres.Admin(Plant.System.AccountDatabase);
        var account = await DrillLoad.OpenAccountAsync(Plant.System, 100, cancellationToken);
        _session = new NpgsqlConnection($"{database};Pooling=false;Application Name=psql");
        await _session.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(
            $"begin; select * from accounts where account_id = '{account}' for update", _session);
        await command.ExecuteNonQueryAsync(cancellationToken);
        OrderId = await Plant.PlaceOrderAsync(account, cancellationToken);
    }

    public override Task<string?> FindSignAsync(CancellationToken cancellationToken) =>
        FindStuckAsync(cancellationToken);

    /// <summary>Ends the session that the explanation names.</summary>
    public override async Task<string> MendAsync(string explanation, CancellationToken cancellationToken)
    {
        var session = int.Parse(SessionText().Match(explanation).Groups[1].Value, CultureInfo.InvariantCulture);
        var command = $"select pg_terminate_backend({session})";
        await Plant.ExecuteAsync(Plant.System.AccountDatabase, command);
        return command;
    }

    public override async Task CleanUpAsync()
    {
        if (_session != null)
            await _session.DisposeAsync();
    }

    [GeneratedRegex(@"locked by session (\d+)")]
    private static partial Regex SessionText();
}
