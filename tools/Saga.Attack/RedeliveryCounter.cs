using Saga.Services;

namespace Saga.Attack;

/// <summary>Counts the broker's redeliveries, also across restarts of the broker.</summary>
static class RedeliveryCounter
{
    /// <returns>The number of redeliveries until the end.</returns>
    public static async Task<long> CountAsync(OrderSystem system, CancellationToken end)
    {
        long total = 0, last = 0;
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(2000, CancellationToken.None);
            try
            {
                var current = await system.Servers.Rabbit.RedeliveredAsync(system.VirtualHost);
                total += current >= last ? current - last : current; // a restart resets the broker's counter
                last = current;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                // The broker is down; the next poll retries.
            }
        }

        return total;
    }
}
