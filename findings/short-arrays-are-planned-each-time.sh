#!/usr/bin/env bash
# PostgreSQL plans a prepared statement for its parameters five times, and uses a generic plan from then on, unless
# those five were cheaper, planning included.
#
# Guess: a prepared statement that finds rows by its primary key is planned six times per connection, whether it looks
#        for one key ("= $1") or for an array of keys ("= any($1)").
# Seen:  Npgsql 10.0.3, PostgreSQL 15: with one key, yes. With an array of one or two keys, each of 1,000 executions is
#        planned: the generic plan expects ten keys, and so seems to cost more. With twenty keys, it is used.
cd "$(dirname "$0")"
. lib/dotnet.sh
program Npgsql=10.0.3 << 'PROGRAM'
using Npgsql;

await using var source = NpgsqlDataSource.Create(args[0]);
await using var connection = await source.OpenConnectionAsync();
await ExecuteAsync("create table rows (id int primary key, value int not null)");
await ExecuteAsync("insert into rows select i, i from generate_series(1, 100000) as i");
await ExecuteAsync("vacuum analyze rows");
await PlanAsync("= $1", 5);
foreach (var keys in (int[])[1, 2, 20])
    await PlanAsync($"= any($1) /* {keys} */", Enumerable.Range(1, keys).ToArray());

async Task PlanAsync(string condition, object parameter)
{
    await using var command = new NpgsqlCommand($"select value from rows where id {condition}", connection);
    command.Parameters.Add(new NpgsqlParameter { Value = parameter });
    await command.PrepareAsync();
    for (var i = 0; i < 1000; i++)
        await command.ExecuteScalarAsync();
    await using var plans = new NpgsqlCommand(
        "select custom_plans, generic_plans from pg_prepared_statements where statement = $1", connection);
    plans.Parameters.AddWithValue(command.CommandText);
    await using var row = await plans.ExecuteReaderAsync();
    await row.ReadAsync();
    Console.WriteLine($"{condition}: planned {row.GetInt64(0)} times, generic plan used {row.GetInt64(1)} times");
}

async Task ExecuteAsync(string sql)
{
    await using var command = new NpgsqlCommand(sql, connection);
    await command.ExecuteNonQueryAsync();
}
PROGRAM
. lib/postgres.sh
run "Host=127.0.0.1;Port=$port;Username=finding;Database=postgres" | expect \
'= $1: planned 5 times, generic plan used 995 times
= any($1) /* 1 */: planned 1000 times, generic plan used 0 times
= any($1) /* 2 */: planned 1000 times, generic plan used 0 times
= any($1) /* 20 */: planned 5 times, generic plan used 995 times'
