#!/usr/bin/env bash
# Npgsql with two hosts, of which the first accepts connections but never answers, as a hung server does.
#
# Guess: the first connection waits for Timeout, here a second. That marks the host as offline for Host Recheck Seconds,
#        ten by default, so the others go to the second host at once; and a pooled connection that is idle is used
#        without asking the first host at all.
# Seen:  in Npgsql 10.0.3, a timeout marks no host as offline. Every connection waits for the first host, also one that
#        is in the pool: the list of hosts that is there to outlive one of them makes everything slow as long as one
#        hangs. A host that refuses connections is skipped as expected.
cd "$(dirname "$0")"
. lib/dotnet.sh
. lib/postgres.sh
program Npgsql=10.0.3 << 'PROGRAM'
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

var first = new TcpListener(IPAddress.Loopback, 0);
first.Start();
var hosts = $"127.0.0.1:{((IPEndPoint)first.LocalEndpoint).Port},127.0.0.1:{args[0]}";
await ShowAsync("a host that hangs");
first.Stop();
await ShowAsync("a host that refuses connections");

async Task ShowAsync(string what)
{
    await using var source = NpgsqlDataSource.Create(
        $"Host={hosts};Username=finding;Database=postgres;Target Session Attributes=primary;Timeout=1");
    var open = new List<NpgsqlConnection>();
    var opened = new List<string>();
    for (var i = 0; i < 4; i++)
        opened.Add(await OpenAsync());
    foreach (var connection in open)
        await connection.DisposeAsync();
    Console.WriteLine($"{what}: new {string.Join(", ", opened)}; pooled {await OpenAsync()}");
    await open[^1].DisposeAsync();

    async Task<string> OpenAsync()
    {
        var start = Stopwatch.StartNew();
        open.Add(await source.OpenConnectionAsync());
        return start.Elapsed.TotalSeconds > 0.9 ? "slow" : "fast";
    }
}
PROGRAM
run "$port" | expect 'a host that hangs: new slow, slow, slow, slow; pooled slow
a host that refuses connections: new fast, fast, fast, fast; pooled fast'
