using System.Net.Http.Json;
using System.Text.Json;

namespace Saga.Servers;

/// <summary>
/// A PostgreSQL primary with a synchronous standby, run from the programs installed on this machine. Patroni promotes
/// the standby when the primary is lost, and brings the old primary back as the standby.
/// </summary>
public sealed class LocalPatroni : PostgresServer, IAsyncDisposable
{
    internal const string Program = "/usr/bin/patroni";

    /// <summary>How long a primary that is lost keeps its role; Patroni's minimum.</summary>
    public static readonly TimeSpan LeaderTime = TimeSpan.FromSeconds(20);

    static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(2);

    /// <summary>How long a member may take to say its role; a paused one does not respond.</summary>
    static readonly TimeSpan MaxResponseTime = TimeSpan.FromSeconds(2);

    readonly HttpClient _api = new() { Timeout = MaxWait };

    LocalPatroni(IReadOnlyList<PatroniMember> members)
        : base(string.Join(',', members.Select(x => $"127.0.0.1:{x.Port}")), members[0].Port, "postgres",
            LocalPostgres.AdminPassword) => Members = members;

    /// <summary>The members.</summary>
    public IReadOnlyList<PatroniMember> Members { get; }

    /// <summary>What Npgsql has to be told; the services find the primary without that.</summary>
    protected override string MoreSettings => ";Target Session Attributes=read-write;Host Recheck Seconds=1";

    /// <summary>The programs that are not installed, with the command that installs them; null if all are.</summary>
    public static string? Missing() => !File.Exists(Program) || !LocalEtcd.IsInstalled
        ? "Patroni and etcd are not installed: apt-get install patroni etcd-server" : null;

    /// <summary>Starts two members, and waits until one is the primary and the other a synchronous standby.</summary>
    /// <param name="folder">The folder of their data and logs.</param>
    /// <param name="name">The name of the cluster.</param>
    /// <param name="etcd">Where the members agree about the primary.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<LocalPatroni> StartAsync(InstanceFolder folder, string name, LocalEtcd etcd,
        CancellationToken cancellationToken)
    {
        var cluster = new LocalPatroni([.. ((int[])[1, 2]).Select(x => new PatroniMember(folder, $"{name}-{x}"))]);
        try
        {
            foreach (var member in cluster.Members)
            {
                await member.PrepareAsync(name, LocalPostgres.FindPrograms()!, etcd, cancellationToken);
                member.Start();
            }

            await cluster.WaitUntilWholeAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until there are a primary and a synchronous standby.</summary>
    public Task WaitUntilWholeAsync(CancellationToken cancellationToken = default)
    {
        var last = new Dictionary<string, string>();
        return Wait.UntilAsync(async () =>
        {
            last = await RolesAsync(cancellationToken);
            return last.ContainsValue("leader") && last.ContainsValue("sync_standby");
        }, MaxWait, () => $"a primary and a synchronous standby: {string.Join(", ", last)}\n"
            + string.Join('\n', Members.Select(x => x.Tail())), cancellationToken, pollMilliseconds: 200);
    }

    /// <summary>One member, whatever its role.</summary>
    public static PostgresServer ServerOf(PatroniMember member) =>
        new("127.0.0.1", member.Port, "postgres", LocalPostgres.AdminPassword);

    /// <summary>The primary.</summary>
    public async Task<PatroniMember> PrimaryAsync() => await FindAsync("leader");

    /// <summary>The synchronous standby.</summary>
    public async Task<PatroniMember> StandbyAsync() => await FindAsync("sync_standby");

    /// <summary>Waits until a member that was the standby accepts writes.</summary>
    public Task WaitUntilPromotedAsync(PatroniMember member) => Wait.UntilAsync(async () =>
    {
        using var response = await TryGetAsync(new Uri(member.Api, "primary"), default);
        return response is { IsSuccessStatusCode: true };
    }, MaxWait, () => $"{member.Name} to be promoted:\n{member.Tail()}");

    /// <summary>Exchanges the roles of the members, as an operator does before maintenance.</summary>
    public async Task SwitchOverAsync()
    {
        var (primary, standby) = (await PrimaryAsync(), await StandbyAsync());
        // Patroni demands the length of a request, which a JsonContent does not know.
        using var request =
            new StringContent(JsonSerializer.Serialize(new { leader = primary.Name, candidate = standby.Name }));
        using var response = await _api.PostAsync(new Uri(primary.Api, "switchover"), request);
        if (!response.IsSuccessStatusCode)
            throw new InvalidOperationException(
                $"Patroni has refused the switchover: {await response.Content.ReadAsStringAsync()}");
        await WaitUntilPromotedAsync(standby);
    }

    async Task<PatroniMember> FindAsync(string role)
    {
        var roles = await RolesAsync(default);
        return Members.FirstOrDefault(x => roles.GetValueOrDefault(x.Name) == role)
            ?? throw new InvalidOperationException($"no member is the {role}: {string.Join(", ", roles)}");
    }

    /// <summary>The role of each member that runs, as the first member that responds sees it.</summary>
    async Task<Dictionary<string, string>> RolesAsync(CancellationToken cancellationToken)
    {
        foreach (var member in Members)
        {
            using var response = await TryGetAsync(new Uri(member.Api, "cluster"), cancellationToken);
            if (response == null)
                continue;
            var cluster = await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
            return cluster.GetProperty("members").EnumerateArray()
                .Where(x => x.GetProperty("state").GetString() is "running" or "streaming")
                .ToDictionary(x => x.GetProperty("name").GetString()!, x => x.GetProperty("role").GetString()!);
        }

        return [];
    }

    async Task<HttpResponseMessage?> TryGetAsync(Uri address, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(MaxResponseTime);
        try
        {
            return await _api.GetAsync(address, limit.Token);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            return null; // it does not run, or does not respond
        }
    }

    /// <summary>Ends the members; their data is not needed any more.</summary>
    public async ValueTask DisposeAsync()
    {
        _api.Dispose();
        foreach (var member in Members)
            await member.DisposeAsync();
    }
}
