using System.Globalization;

namespace Saga.Servers;

/// <summary>A member of a Patroni cluster: Patroni, and the PostgreSQL server that Patroni starts and stops.</summary>
public sealed class PatroniMember : IAsyncDisposable
{
    readonly InstanceFolder _folder;
    readonly string _home;
    ChildProcess? _patroni;

    internal PatroniMember(InstanceFolder folder, string name)
    {
        (_folder, Name) = (folder, name);
        _home = folder.CreateSubfolder($"patroni-{name}");
    }

    /// <summary>The name among the members.</summary>
    public string Name { get; }

    /// <summary>The port of PostgreSQL on 127.0.0.1.</summary>
    public int Port { get; } = Ports.Pick();

    /// <summary>The address of Patroni's REST API.</summary>
    public Uri Api { get; } = new($"http://127.0.0.1:{Ports.Pick()}/");

    /// <summary>Writes the configuration.</summary>
    internal async Task PrepareAsync(string cluster, string programs, LocalEtcd etcd,
        CancellationToken cancellationToken)
    {
        await File.WriteAllTextAsync(Path.Combine(_home, "patroni.yml"), $"""
            scope: {cluster}
            name: {Name}
            restapi:
              listen: {Api.Authority}
              connect_address: {Api.Authority}
            # Not etcd3: until 3.1, Patroni's cache of that can stay old after a pause of the process, and then no
            # standby becomes a synchronous one again (patroni/patroni#2783).
            etcd:
              host: 127.0.0.1:{etcd.Port}
            bootstrap:
              dcs:
                ttl: {LocalPatroni.LeaderTime.TotalSeconds}
                loop_wait: 2
                retry_timeout: 3
                primary_start_timeout: 0
                synchronous_mode: true
                failsafe_mode: true
                postgresql:
                  use_pg_rewind: true
                  parameters:
                    max_connections: 300
                    autovacuum_naptime: 10s
                    # Much less than the 30 s after which a client gives a commit up: until then, a standby that does
                    # not respond has to be given up, so that the commit does not wait for it.
                    wal_sender_timeout: 5s
              initdb:
              - encoding: UTF8
              - locale: C.UTF-8
              - data-checksums
            postgresql:
              listen: 127.0.0.1:{Port}
              connect_address: 127.0.0.1:{Port}
              data_dir: {Path.Combine(_home, "data")}
              bin_dir: {programs}
              pgpass: {Path.Combine(_home, "pgpass")}
              parameters:
                unix_socket_directories: ''
              pg_hba:
              - host all all 127.0.0.1/32 scram-sha-256
              - host replication all 127.0.0.1/32 scram-sha-256
              authentication:
                superuser:
                  username: postgres
                  password: {LocalPostgres.AdminPassword}
                replication:
                  username: replicator
                  password: {LocalPostgres.AdminPassword}

            """, cancellationToken);
        if (LocalPostgres.AsPostgres.Length > 0)
            await LocalPostgres.RunAsync(["chown", "-R", "postgres:postgres", _home], cancellationToken);
    }

    /// <summary>Starts Patroni, which starts PostgreSQL; returns before PostgreSQL runs.</summary>
    public void Start() => _patroni = ChildProcess.Start(_folder, $"patroni-{Name}",
        [.. LocalPostgres.AsPostgres, LocalPatroni.Program, Path.Combine(_home, "patroni.yml")],
        new Dictionary<string, string> { ["HOME"] = _home });

    /// <summary>Kills Patroni and PostgreSQL, as the loss of their machine does.</summary>
    public async Task KillAsync()
    {
        if (_patroni != null)
            await _patroni.DisposeAsync();
        if (ServerId is { } server)
            ChildProcess.Send(server, Signal.Kill); // its backends notice, and exit
        await WaitForExitAsync();
    }

    /// <summary>Pauses Patroni and PostgreSQL: connections stay open, and nothing responds.</summary>
    public void Pause()
    {
        _patroni?.Send(Signal.Stop);
        SendToServer(Signal.Stop);
    }

    /// <summary>Resumes what <see cref="Pause" /> has paused.</summary>
    public void Resume()
    {
        SendToServer(Signal.Continue);
        _patroni?.Send(Signal.Continue);
    }

    /// <summary>The last lines of the log.</summary>
    public string Tail() => _patroni?.Tail() ?? "";

    void SendToServer(Signal signal)
    {
        if (ServerId is not { } server)
            return;
        ChildProcess.Send(server, signal);
        LocalPostgres.SendToBackends(server, signal);
    }

    Task WaitForExitAsync() => Wait.UntilAsync(() => Task.FromResult(ServerId == null), TimeSpan.FromSeconds(30),
        () => $"PostgreSQL of {Name} to exit");

    /// <summary>The process id of PostgreSQL; null if it does not run.</summary>
    int? ServerId
    {
        get
        {
            var file = Path.Combine(_home, "data", "postmaster.pid");
            if (!File.Exists(file))
                return null;
            var id = int.Parse(File.ReadLines(file).First(), CultureInfo.InvariantCulture);
            var stat = $"/proc/{id}/stat";
            return File.Exists(stat) && File.ReadAllText(stat) is var text && text.Contains("(postgres)",
                StringComparison.Ordinal) && text[text.LastIndexOf(')') + 2] != 'Z' ? id : null;
        }
    }

    /// <summary>Ends Patroni and PostgreSQL; their data is not needed any more.</summary>
    public async ValueTask DisposeAsync()
    {
        Resume();
        if (_patroni != null)
            await _patroni.DisposeAsync();
        if (ServerId is { } server)
            ChildProcess.Send(server, Signal.Quit); // ends its backends, too
        await WaitForExitAsync();
    }
}
