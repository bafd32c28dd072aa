using Npgsql;
using Saga.Servers;

namespace Saga.Attack;

/// <summary>Faults of one of the two database servers of a service, and of what they agree by.</summary>
sealed class DatabaseFaults(ClusterServers servers)
{
    static readonly TimeSpan MaxRecovery = TimeSpan.FromSeconds(30);

    /// <summary>
    /// From the promotion until an order that is placed after it is terminal. A second on an idle machine, but all
    /// servers share this one.
    /// </summary>
    static readonly TimeSpan MaxRecoveryOfPromotion = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The same if the lost primary keeps its connections: what waits for it is given up about when the standby is
    /// promoted, and tried again.
    /// </summary>
    static readonly TimeSpan MaxRecoveryOfSilentPrimary = TimeSpan.FromSeconds(20);

    /// <summary>Longer than primaries keep their role without etcd, unless all members see each other.</summary>
    static readonly TimeSpan EtcdOutage = LocalPatroni.LeaderTime + TimeSpan.FromSeconds(5);

    static readonly TimeSpan Lag = TimeSpan.FromSeconds(3);

    /// <summary>The faults, those of database servers for each service.</summary>
    public IReadOnlyList<Fault> All =>
    [
        .. Of("Order", servers.OrderPostgres),
        .. Of("Account", servers.AccountPostgres),
        Fault.Of("etcd: killed", async () =>
        {
            await servers.Etcd.DisposeAsync();
            await Task.Delay(EtcdOutage);
        }) with
        {
            RepairAsync = async () =>
            {
                await servers.Etcd.StartAsync();
                await servers.OrderPostgres.WaitUntilWholeAsync();
                await servers.AccountPostgres.WaitUntilWholeAsync();
            },
            MaxRecovery = MaxRecovery,
        },
    ];

    static IEnumerable<Fault> Of(string service, LocalPatroni cluster)
    {
        var database = $"{service}'s database";
        return
        [
            OfPrimary($"{database}: primary killed", cluster, (primary, _) => primary.KillAsync(), x => x.Start()),
            OfPrimary($"{database}: primary killed while the standby lags", cluster, async (primary, standby) =>
            {
                await ExecuteAsync(standby, "select pg_wal_replay_pause()");
                await Task.Delay(Lag);
                await primary.KillAsync();
            }, x => x.Start()),
            OfPrimary($"{database}: primary paused", cluster, (primary, _) =>
            {
                primary.Pause();
                return Task.CompletedTask;
            }, x => x.Resume()) with { MaxRecovery = MaxRecoveryOfSilentPrimary },
            Fault.Of($"{database}: switchover", cluster.SwitchOverAsync) with
            {
                RepairAsync = () => cluster.WaitUntilWholeAsync(),
                MaxRecovery = MaxRecoveryOfPromotion,
            },
            OfStandby($"{database}: standby killed", cluster, x => x.KillAsync(), x => x.Start()),
            OfStandby($"{database}: standby paused", cluster, x =>
            {
                x.Pause();
                return Task.CompletedTask;
            }, x => x.Resume()),
        ];
    }

    /// <summary>The primary is lost, its standby is promoted, and the old primary becomes the standby.</summary>
    static Fault OfPrimary(string kind, LocalPatroni cluster, Func<PatroniMember, PatroniMember, Task> loseAsync,
        Action<PatroniMember> bringBack)
    {
        PatroniMember? primary = null;
        return Fault.Of(kind, async () =>
        {
            primary = await cluster.PrimaryAsync();
            var standby = await cluster.StandbyAsync();
            await loseAsync(primary, standby);
            await cluster.WaitUntilPromotedAsync(standby);
        }) with
        {
            RepairAsync = () =>
            {
                bringBack(primary!);
                return cluster.WaitUntilWholeAsync();
            },
            MaxRecovery = MaxRecoveryOfPromotion,
        };
    }

    /// <summary>The standby is lost, and the primary goes on without it.</summary>
    static Fault OfStandby(string kind, LocalPatroni cluster, Func<PatroniMember, Task> loseAsync,
        Action<PatroniMember> bringBack)
    {
        PatroniMember? standby = null;
        return Fault.Of(kind, async () => await loseAsync(standby = await cluster.StandbyAsync())) with
        {
            RepairAsync = () =>
            {
                bringBack(standby!);
                return cluster.WaitUntilWholeAsync();
            },
            MaxRecovery = MaxRecovery,
        };
    }

    static async Task ExecuteAsync(PatroniMember member, string sql)
    {
        await using var source = NpgsqlDataSource.Create($"{LocalPatroni.ServerOf(member).Admin()};Pooling=false");
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
