using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using Operations;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Integration")]
public sealed class When_replicas_share_protection_keys
{
    readonly string _name = TestServers.NewName("keys");
    string _database = "";

    [SetUp]
    public async Task CreateAsync() =>
        _database = await (await TestServers.GetAsync()).Postgres.CreateDatabaseAsync(_name);

    [TearDown]
    public async Task DropAsync() => await (await TestServers.GetAsync()).Postgres.DropDatabaseAsync(_name);

    [Test]
    public async Task Should_have_one_key_when_they_start_together_on_an_empty_database()
    {
        WebApplication[] replicas = [.. Enumerable.Range(0, 4).Select(_ => NewReplica())];
        try
        {
            await Task.WhenAll(replicas.Select(x => x.MigrateAsync<OperationsDbContext>([])));
            Assert.That(await CountKeysAsync(), Is.EqualTo(1));
            var tokens = replicas.Select(x => x.Services.GetRequiredService<PageTokens>()).ToArray();
            var token = tokens[0].Create(42L, "filter");
            var violations = new FieldViolations();
            Assert.That(tokens.Select(x => x.Read<long>(token, "filter", violations)), Has.All.EqualTo(42));
            Assert.That(await CountKeysAsync(), Is.EqualTo(1));
        }
        finally
        {
            foreach (var replica in replicas)
                await replica.DisposeAsync();
        }
    }

    [Test]
    public async Task Should_keep_the_keys_that_are_known_while_the_database_is_away()
    {
        await using var replica = NewReplica();
        await replica.MigrateAsync<OperationsDbContext>([]);
        var keys = replica.Services.GetRequiredService<IOptions<KeyManagementOptions>>().Value.XmlRepository!;
        var before = keys.GetAllElements();
        Assert.That(before, Has.Count.EqualTo(1));
        await DropAsync();
        Assert.That(keys.GetAllElements(), Is.EqualTo(before));
    }

    WebApplication NewReplica()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration["ConnectionStrings:Database"] = _database;
        builder.Configuration["Kestrel:Endpoints:Http:Url"] = "http://127.0.0.1:0"; // while it waits
        builder.AddApi<OperationsDbContext>();
        builder.AddDatabase<OperationsDbContext>();
        return builder.Build();
    }

    async Task<long> CountKeysAsync()
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand("select count(*) from data_protection_keys");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
