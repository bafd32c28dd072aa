using Accounts.V1;
using Grpc.Core;
using Npgsql;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_a_pooler_gives_each_client_a_session : EnvironmentFixture
{
    LocalPgBouncer? _pooler;

    [OneTimeTearDown]
    public async Task StopPoolerAsync()
    {
        if (_pooler != null)
            await _pooler.DisposeAsync();
    }

    /// <summary>PgBouncer's defaults: startup parameters are refused, and it opens 20 connections.</summary>
    protected override string ChangeDatabase(string connectionString)
    {
        _pooler ??= Pooler.StartAsync().Result;
        return _pooler.Through(connectionString);
    }

    [Test]
    public Task Should_complete_more_orders_at_once_than_the_pooler_has_connections() => AssertOrdersCompleteAsync(100);

    [Test]
    public async Task Should_apply_the_settings_of_a_session()
    {
        var account = await OpenAccountAsync(10);
        await using var admin = NpgsqlDataSource.Create(System.Servers.Postgres.Admin(System.AccountDatabase));
        await using var connection = await admin.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var update = new NpgsqlCommand(
            $"update accounts set available = available where account_id = '{account}'", connection);
        await update.ExecuteNonQueryAsync();

        var deposit = new DepositRequest { AccountId = account, Amount = Money(1) };
        Assert.That(async () => await Accounts.DepositAsync(deposit, deadline: DateTime.UtcNow.AddSeconds(20)),
            Throws.TypeOf<RpcException>().With.Property("StatusCode").EqualTo(StatusCode.Aborted),
            "lock_timeout ends the wait");
    }
}

[TestFixture, Category("E2E")]
public sealed class When_a_pooler_shares_sessions
{
    [TestCase("transaction", false), TestCase("transaction", true), TestCase("statement", false)]
    public async Task Should_say_so_in_one_line_and_end(string mode, bool inTurn)
    {
        await using var pooler = await Pooler.StartAsync($"pool_mode = {mode}", "ignore_startup_parameters = options",
            $"server_round_robin = {(inTurn ? 1 : 0)}", $"min_pool_size = {(inTurn ? 2 : 0)}");
        await using var service = await StartedService.StartAsync("Account",
            x => x["ConnectionStrings__Database"] = pooler.Through(x["ConnectionStrings__Database"]));

        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains("not supported: set its pool_mode to session"));
        Assert.That(await File.ReadAllTextAsync(service.Replica.LogFile), Does.Not.Contain("Unhandled exception"));
    }

    [Test]
    public async Task Should_name_a_parameter_that_the_pooler_refuses()
    {
        await using var pooler = await Pooler.StartAsync();
        await using var service = await StartedService.StartAsync("Account", x => x["ConnectionStrings__Database"] =
            $"{pooler.Through(x["ConnectionStrings__Database"])};Options=-c work_mem=8MB");

        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains("unsupported startup parameter: options"));
    }
}
