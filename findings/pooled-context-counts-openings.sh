#!/usr/bin/env bash
# A method that gets a DbContext from a pool opens its connection for a raw command, and leaves the rest to the end of
# the scope.
#
# Guess: when the context returns to the pool, EF Core closes the connection and forgets the opening; the next user of
#        the context begins anew, as the documentation of pooling says of a context's state.
# Seen:  Npgsql.EntityFrameworkCore.PostgreSQL 10.0.3 with EF Core 10: the connection is closed, but the opening stays
#        counted. From then on, a query of each later user leaves the connection open until the end of that user's
#        scope. In a service whose streams keep a scope for long, each stream keeps a connection, and a hundred of them
#        exhaust a pool of a hundred.
cd "$(dirname "$0")"
. lib/dotnet.sh
program Npgsql.EntityFrameworkCore.PostgreSQL=10.0.3 << 'PROGRAM'
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

await using var services = new ServiceCollection()
    .AddDbContextPool<Db>(x => x.UseNpgsql(args[0]), poolSize: 1).BuildServiceProvider();
var before = await QueryAsync();
await using (var scope = services.CreateAsyncScope())
    await scope.ServiceProvider.GetRequiredService<Db>().Database.OpenConnectionAsync(); // nobody closes it
await using (var scope = services.CreateAsyncScope())
    Console.WriteLine("in the pool: "
        + scope.ServiceProvider.GetRequiredService<Db>().Database.GetDbConnection().State);
var (first, second) = (await QueryAsync(), await QueryAsync());
Console.WriteLine($"after a query: before {before}, then {first}, {second}");

async Task<System.Data.ConnectionState> QueryAsync()
{
    await using var scope = services.CreateAsyncScope();
    var db = scope.ServiceProvider.GetRequiredService<Db>();
    await db.Database.ExecuteSqlRawAsync("select 1");
    return db.Database.GetDbConnection().State;
}

class Db(DbContextOptions<Db> options) : DbContext(options);
PROGRAM
. lib/postgres.sh
run "Host=127.0.0.1;Port=$port;Username=finding;Database=postgres" \
    | expect 'in the pool: Closed
after a query: before Closed, then Open, Open'
