using System.Diagnostics;
using Messaging.Postgres;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Saga.Attack;
using Saga.Servers;
using Service.Defaults;

namespace Saga.Tests.Defaults;

/// <summary>Two hosts, each of which can hang. Behind both is the same server, which accepts writes.</summary>
[TestFixture, Category("Integration")]
public sealed class When_a_database_has_several_hosts
{
    const int Uses = 20;

    /// <summary>Twice the two seconds: the machine may be busy.</summary>
    static readonly TimeSpan MaxQuestionTime = TimeSpan.FromSeconds(4);

    /// <summary>If each use waited 5 s for a host that hangs, all uses would take 100 s.</summary>
    static readonly TimeSpan MaxUseTime = TimeSpan.FromSeconds(30);

    TcpProxy _first = null!, _second = null!;
    ServiceProvider _services = null!;

    PrimaryDatabase Database => _services.GetRequiredService<PrimaryDatabase>();

    [SetUp]
    public async Task StartAsync()
    {
        var servers = await TestServers.GetAsync();
        var settings = new NpgsqlConnectionStringBuilder(servers.Postgres.Admin());
        _first = new TcpProxy(settings.Host!, settings.Port);
        _second = new TcpProxy(settings.Host!, settings.Port);
        settings.Host = $"127.0.0.1:{_first.Port}, 127.0.0.1:{_second.Port}";
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["ConnectionStrings:Database"] = settings.ConnectionString;
        builder.AddDatabase<AnyDbContext>();
        _services = builder.Services.BuildServiceProvider();
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _services.DisposeAsync();
        await _first.DisposeAsync();
        await _second.DisposeAsync();
    }

    [Test]
    public async Task Should_not_wait_for_one_that_hangs()
    {
        _first.Condition = NetworkCondition.RequestsHeld;
        await FindUntilAsync(true);
        await AssertIsUsableAsync();
    }

    [Test]
    public async Task Should_follow_the_primary_with_contexts_that_have_used_the_old_one()
    {
        await FindUntilAsync(true);
        await AssertIsUsableAsync();
        _first.Condition = NetworkCondition.RequestsHeld;
        await FindUntilAsync(true);
        await AssertIsUsableAsync();
        Assert.That(Database.Pool.ConnectionString, Does.Contain($"{_second.Port}"));

        _first.Condition = NetworkCondition.Normal;
        await Database.FindAsync(default);
        Assert.That(Database.Pool.ConnectionString, Does.Contain($"{_second.Port}"),
            "the primary stays the primary when another accepts writes, too");
    }

    [Test]
    public async Task Should_keep_the_primary_while_none_responds()
    {
        _first.Condition = NetworkCondition.Cut;
        await FindUntilAsync(true);
        _second.Condition = NetworkCondition.Cut;
        await Database.FindAsync(default);
        _second.Condition = NetworkCondition.Normal;
        await AssertIsUsableAsync();
    }

    [Test]
    public async Task Should_fail_at_once_while_the_primary_hangs_and_no_other_accepts_writes()
    {
        await Database.FindAsync(default);
        await UseContextAsync(commandTimeout: null);
        _first.Condition = NetworkCondition.RequestsHeld;
        _second.Condition = NetworkCondition.Cut;
        var asked = Stopwatch.StartNew();
        await Database.FindAsync(default);
        await Database.FindAsync(default);
        Assert.That(asked.Elapsed, Is.LessThan(2 * MaxQuestionTime), "no question waits for its cancellation");
        var failed = Stopwatch.StartNew();
        var error = await Assert.CatchAsync(() => UseContextAsync(commandTimeout: null));
        Assert.That(failed.Elapsed, Is.LessThan(TimeSpan.FromSeconds(8)), "the Command Timeout is 12 s");
        Assert.That(PostgresErrors.IsUnavailable(error!), "it is tried again");

        _first.Condition = NetworkCondition.Normal;
        await FindUntilAsync(true);
        await AssertIsUsableAsync();
    }

    [Test]
    public async Task Should_say_whether_one_accepts_writes()
    {
        await FindUntilAsync(true);
        _first.Condition = _second.Condition = NetworkCondition.Cut;
        await FindUntilAsync(false);
    }

    [Test]
    public async Task Should_keep_the_limit_of_a_command_when_the_context_moves()
    {
        await Database.FindAsync(default);
        await UseContextAsync(commandTimeout: null);
        _first.Condition = NetworkCondition.Cut;
        await FindUntilAsync(true);
        await UseContextAsync(commandTimeout: 7);
    }

    [Test]
    public void Should_refuse_a_connection_string_that_asks_for_a_server_which_cannot_write(
        [Values("standby", "read-only", "prefer-standby")] string attributes, [Values("a,b", "a")] string hosts) =>
        Assert.That(() => Connections($"Host={hosts};Target Session Attributes={attributes}"),
            Throws.TypeOf<StartException>().With.Message.Contains(attributes));

    [Test]
    public void Should_choose_the_host_that_accepts_writes_itself(
        [Values("any", "primary", "read-write", "prefer-primary")] string attributes, [Values("a,b", "a")] string hosts)
    {
        var connections = Connections($"Host={hosts};Target Session Attributes={attributes};Load Balance Hosts=true");
        Assert.That(connections.Hosts, Is.EqualTo(hosts.Split(',')));
        Assert.That(() => connections.CreatePlain("a").Dispose(), Throws.Nothing);
    }

    [Test]
    public void Should_tell_the_server_that_texts_are_utf_8()
    {
        using var connection = Connections("Host=a;Client Encoding=WIN1252;Encoding=iso-8859-1").CreatePlain("a");
        var used = new NpgsqlConnectionStringBuilder(connection.ConnectionString);
        Assert.That((used.ClientEncoding, used.Encoding), Is.EqualTo(("UTF8", "UTF8")));
    }

    [TestCase("Hots=a"), TestCase("Host=a;Port=many"), TestCase("Host=a;Maximum Pool Size=-1"), TestCase("Host")]
    public void Should_say_that_a_connection_string_cannot_be_read(string connectionString) => Assert.That(
        () => Connections(connectionString),
        Throws.TypeOf<StartException>().With.Message.StartsWith("ConnectionStrings:Database cannot be read"));

    [TestCase(""), TestCase("Database=a;Username=b"), TestCase("Host=a;Pooling=false;Multiplexing=true")]
    [TestCase("Host=a;Minimum Pool Size=9;Maximum Pool Size=8"), TestCase("Host=a,b;Connection Idle Lifetime=3")]
    public void Should_say_that_a_connection_string_cannot_be_used(string connectionString) => Assert.That(
        () => Connections(connectionString),
        Throws.TypeOf<StartException>().With.Message.StartsWith("ConnectionStrings:Database cannot be used"));

    static DatabaseConnections Connections(string connectionString) =>
        new(new ConfigurationManager { ["ConnectionStrings:Database"] = connectionString });

    /// <summary>Asks again until a host accepts writes, or until none does: a busy one can miss a question.</summary>
    Task FindUntilAsync(bool acceptsWrites) => Wait.UntilAsync(
        async () => await Database.FindAsync(default) == acceptsWrites, TimeSpan.FromSeconds(30),
        () => acceptsWrites ? "a host that accepts writes" : "no host to accept writes");

    async Task AssertIsUsableAsync()
    {
        var used = Stopwatch.StartNew();
        for (var i = 0; i < Uses; i++)
        {
            await UseContextAsync(commandTimeout: null);
            await using var pooled = Database.Pool.CreateCommand("select 1");
            await pooled.ExecuteScalarAsync();
            await using var own = await Database.OutsidePool.OpenConnectionAsync();
        }

        Assert.That(used.Elapsed, Is.LessThan(MaxUseTime));
    }

    async Task UseContextAsync(int? commandTimeout)
    {
        await using var scope = _services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<AnyDbContext>().Database;
        if (commandTimeout != null)
            database.SetCommandTimeout(commandTimeout);
        await database.ExecuteSqlRawAsync("set application_name = 'moved'"); // its command exists before it connects
        Assert.That(await database.SqlQueryRaw<int>("select 1 as \"Value\"").SingleAsync(), Is.EqualTo(1));
        Assert.That(database.GetCommandTimeout(), Is.EqualTo(commandTimeout));
    }

    sealed class AnyDbContext(DbContextOptions<AnyDbContext> options) : DbContext(options);
}
