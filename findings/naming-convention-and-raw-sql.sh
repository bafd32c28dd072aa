#!/usr/bin/env bash
# A query in raw SQL reads a number, with the column "Value" that EF Core asks for, or a record, with a column for each
# of its properties. Then the model gets snake case names by EFCore.NamingConventions.
#
# Guess: the convention names the tables and columns of the model; raw SQL writes its own names, and goes on working.
# Seen:  EFCore.NamingConventions 10.0.1: the columns of a record outside the model must have snake case names, too, so
#        such a query fails when the convention is added; a number must still be called "Value", not value.
cd "$(dirname "$0")"
. lib/dotnet.sh
program Npgsql.EntityFrameworkCore.PostgreSQL=10.0.3 EFCore.NamingConventions=10.0.1 << 'PROGRAM'
using Microsoft.EntityFrameworkCore;

foreach (var snakeCase in new[] { false, true })
{
    await using var db = new Db(args[0], snakeCase);
    Console.WriteLine($"{(snakeCase ? "snake case" : "no convention")}:");
    await TryAsync("  a number as \"Value\"",
        () => db.Database.SqlQueryRaw<int>("select 1 as \"Value\"").SingleAsync());
    await TryAsync("  a number as value", () => db.Database.SqlQueryRaw<int>("select 1 as value").SingleAsync());
    await TryAsync("  a record as \"OwnerId\"", async () =>
        (await db.Database.SqlQueryRaw<Row>("select 1 as \"OwnerId\"").SingleAsync()).OwnerId);
    await TryAsync("  a record as owner_id", async () =>
        (await db.Database.SqlQueryRaw<Row>("select 1 as owner_id").SingleAsync()).OwnerId);
}

static async Task TryAsync(string what, Func<Task<int>> read)
{
    try
    {
        Console.WriteLine($"{what}: {await read()}");
    }
    catch (Exception e)
    {
        Console.WriteLine($"{what}: {e.GetType().Name}");
    }
}

class Row
{
    public int OwnerId { get; set; }
}

class Db(string connection, bool snakeCase) : DbContext
{
    protected override void OnConfiguring(DbContextOptionsBuilder options)
    {
        options.UseNpgsql(connection).EnableServiceProviderCaching(false);
        if (snakeCase)
            options.UseSnakeCaseNamingConvention();
    }
}
PROGRAM
. lib/postgres.sh
run "Host=127.0.0.1;Port=$port;Username=finding;Database=postgres" | expect 'no convention:
  a number as "Value": 1
  a number as value: PostgresException
  a record as "OwnerId": 1
  a record as owner_id: PostgresException
snake case:
  a number as "Value": 1
  a number as value: PostgresException
  a record as "OwnerId": PostgresException
  a record as owner_id: 1'
