#!/usr/bin/env bash
# A commit waits for a synchronous standby that does not answer, until Npgsql's command timeout.
#
# Guess: like every other statement that takes too long, the commit throws a TimeoutException: its outcome is unknown.
# Seen:  Npgsql 10.0.3 cancels the wait, PostgreSQL 15 answers the cancelled commit with success and a warning, and
#        Npgsql returns: the program goes on as if the standby had the row. A failover to the standby loses it. An
#        update that waits for a lock throws as expected. With Cancellation Timeout=-1, which closes the connection
#        instead, the commit throws, too.
cd "$(dirname "$0")"
. lib/dotnet.sh
. lib/postgres.sh
program Npgsql=10.0.3 << 'PROGRAM'
using Npgsql;

var address = $"Host=127.0.0.1;Port={args[0]};Username=finding;Database=postgres;Command Timeout=2";
await using var source = NpgsqlDataSource.Create(address);
const string Create = "create table orders (id int primary key); insert into orders values (0)";
await using (var prepare = source.CreateCommand(Create))
    await prepare.ExecuteNonQueryAsync();

// Somebody else has locked a row.
await using var other = await source.OpenConnectionAsync();
await using var locking = await other.BeginTransactionAsync();
await using (var update = new NpgsqlCommand("update orders set id = 0", other))
    await update.ExecuteNonQueryAsync();
await ShowAsync("an update that waits for a lock", address, async connection =>
{
    await using var update = new NpgsqlCommand("update orders set id = 0", connection);
    await update.ExecuteNonQueryAsync();
});
await locking.RollbackAsync();

foreach (var sql in new[] { "alter system set synchronous_standby_names = 'standby'", "select pg_reload_conf()" })
    await using (var configure = source.CreateCommand(sql))
        await configure.ExecuteNonQueryAsync();
await Task.Delay(TimeSpan.FromSeconds(1));
await ShowAsync("an insert that waits for a standby", address, async connection =>
{
    await using var insert = new NpgsqlCommand("insert into orders values (1)", connection);
    await insert.ExecuteNonQueryAsync();
});
foreach (var setting in new[] { "", ";Cancellation Timeout=-1" })
    await ShowAsync($"a commit that waits for a standby{setting}", address + setting, async connection =>
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var insert = new NpgsqlCommand($"insert into orders values ({2 + setting.Length})", connection))
            await insert.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
    });

static async Task ShowAsync(string what, string address, Func<NpgsqlConnection, Task> run)
{
    await using var connection = new NpgsqlConnection($"{address};Pooling=false");
    await connection.OpenAsync();
    try
    {
        await run(connection);
        Console.WriteLine($"{what}: returns");
    }
    catch (NpgsqlException e)
    {
        Console.WriteLine($"{what}: {(e.InnerException ?? e).GetType().Name}");
    }
}
PROGRAM
run "$port" | expect 'an update that waits for a lock: TimeoutException
an insert that waits for a standby: returns
a commit that waits for a standby: returns
a commit that waits for a standby;Cancellation Timeout=-1: TimeoutException'
