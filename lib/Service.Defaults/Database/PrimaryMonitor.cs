using Microsoft.Extensions.Hosting;

namespace Service.Defaults;

/// <summary>Finds the primary again and again, while there are several hosts.</summary>
sealed class PrimaryMonitor(PrimaryDatabase database, DatabaseConnections connections, TimeProvider time)
    : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!database.HasSeveralHosts)
            return;
        using var timer = new PeriodicTimer(connections.RecheckInterval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            await database.FindAsync(stoppingToken);
    }
}
