#!/usr/bin/env bash
# One host, as where one name leads to whatever server is the primary, with the wish for one that accepts writes.
#
# Guess: as with libpq, whose options these are, the connection is opened if the server accepts writes, and refused if
#        it does not; at worst the wish has no effect with a single host.
# Seen:  Npgsql 10.0.3 reads the connection string without complaint, and throws NotSupportedException when a connection
#        is opened, whatever the server is; only the value Any is accepted. psql opens it. A string that was made for
#        two hosts stops working when one is taken away, and only at its first use.
cd "$(dirname "$0")"
. lib/dotnet.sh
. lib/postgres.sh
program Npgsql=10.0.3 << 'PROGRAM'
using Npgsql;

foreach (var role in new[] { "any", "primary", "read-write", "prefer-primary" })
{
    var settings = new NpgsqlConnectionStringBuilder(
        $"Host=127.0.0.1;Port={args[0]};Username=finding;Database=postgres;Target Session Attributes={role}");
    try
    {
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        Console.WriteLine($"Npgsql, {role}: opened");
    }
    catch (Exception e)
    {
        Console.WriteLine($"Npgsql, {role}: {e.GetType().Name}");
    }
}
PROGRAM
{
    run "$port"
    psql "host=127.0.0.1 port=$port user=finding dbname=postgres target_session_attrs=read-write" \
        -Atc "select 'psql, read-write: opened'"
} | expect 'Npgsql, any: opened
Npgsql, primary: NotSupportedException
Npgsql, read-write: NotSupportedException
Npgsql, prefer-primary: NotSupportedException
psql, read-write: opened'
