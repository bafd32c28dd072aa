#!/usr/bin/env bash
# SaveChanges sends many updates in one round trip, and the database answers each with its number of rows.
#
# Guess: when rows have changed since they were read, Entries of the DbUpdateConcurrencyException names all of them, so
#        that the rest can be saved by a second call.
# Seen:  Npgsql.EntityFrameworkCore.PostgreSQL 10.0.3: it names the first. Saving 40 rows of which 20 are stale, and
#        leaving out what the exception names, takes 21 calls of SaveChanges.
cd "$(dirname "$0")"
. lib/dotnet.sh
program Npgsql.EntityFrameworkCore.PostgreSQL=10.0.3 << 'PROGRAM'
using Microsoft.EntityFrameworkCore;

await using var db = new Db(args[0]);
await db.Database.EnsureCreatedAsync();
db.AddRange(Enumerable.Range(1, 40).Select(x => new Row { Id = x }));
await db.SaveChangesAsync();
await using (var other = new Db(args[0]))
    await other.Rows.Where(x => x.Id % 2 == 0).ExecuteUpdateAsync(x => x.SetProperty(r => r.Value, -1));
foreach (var row in db.Rows.Local)
    row.Value = row.Id;
var (calls, named) = (0, new List<int>());
for (var saved = false; !saved;)
    try
    {
        calls++;
        await db.SaveChangesAsync();
        saved = true;
    }
    catch (DbUpdateConcurrencyException e)
    {
        named.Add(e.Entries.Count);
        foreach (var entry in e.Entries)
            entry.State = EntityState.Detached;
    }

Console.WriteLine($"20 of 40 rows are stale: {calls} calls, rows named by each: {string.Join(", ", named.Distinct())}");

class Row
{
    public int Id { get; set; }
    public int Value { get; set; }
    public uint Version { get; set; }
}

class Db(string connection) : DbContext
{
    public DbSet<Row> Rows => Set<Row>();
    protected override void OnConfiguring(DbContextOptionsBuilder options) => options.UseNpgsql(connection);
    protected override void OnModelCreating(ModelBuilder model)
    {
        model.Entity<Row>().Property(x => x.Id).ValueGeneratedNever();
        model.Entity<Row>().Property(x => x.Version).IsRowVersion();
    }
}
PROGRAM
. lib/postgres.sh
run "Host=127.0.0.1;Port=$port;Username=finding;Database=finding" \
    | expect '20 of 40 rows are stale: 21 calls, rows named by each: 1'
