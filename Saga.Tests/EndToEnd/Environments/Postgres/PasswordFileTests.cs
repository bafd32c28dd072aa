using Accounts.V1;
using Npgsql;
using Saga.Servers;

namespace Saga.Tests.EndToEnd.Environments;

[TestFixture, Category("E2E")]
public sealed class When_the_database_password_is_in_a_file
{
    [Test]
    public async Task Should_use_a_new_password_for_new_connections()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "*:*:*:*:local");
        var connection = new NpgsqlConnectionStringBuilder();
        try
        {
            await using var service = await StartedService.StartAsync("Account", x =>
            {
                connection.ConnectionString = x["ConnectionStrings__Database"];
                connection.Remove("Password");
                connection.Passfile = file;
                x["ConnectionStrings__Database"] = connection.ConnectionString;
            });
            await service.Replica.WaitUntilReadyAsync();
            var client = new AccountService.AccountServiceClient(service.Replica.Channel);

            await File.WriteAllTextAsync(file, "*:*:*:*:changed");
            EnvironmentFixture.ExecuteAsAdmin(connection.ConnectionString, """
                alter role "{role}" password 'changed';
                select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}';
                """);
            Account? account = null;
            await Wait.UntilAsync(async () => (account = await TryOpenAsync(client)) != null, TimeSpan.FromSeconds(60),
                () => "a call on a new connection");
            Assert.That(account!.CurrencyCode, Is.EqualTo("EUR"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    static async Task<Account?> TryOpenAsync(AccountService.AccountServiceClient client)
    {
        try
        {
            return await client.OpenAccountAsync(new OpenAccountRequest { CurrencyCode = "EUR" });
        }
        catch (Grpc.Core.RpcException e) when (e.StatusCode == Grpc.Core.StatusCode.Unavailable)
        {
            return null; // a connection was lost during the call
        }
    }
}
