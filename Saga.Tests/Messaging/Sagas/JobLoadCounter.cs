using System.Data.Common;
using MassTransit;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Saga.Tests.Support.Model;

namespace Saga.Tests.Messaging.Sagas;

/// <summary>Counts the queries that load jobs.</summary>
/// <param name="blocksFirst">Whether the first query waits for <see cref="Release" />.</param>
sealed class JobLoadCounter(bool blocksFirst = false) : DbCommandInterceptor
{
    readonly TaskCompletionSource _started = new(), _released = new();
    int _count;

    public int Count => Volatile.Read(ref _count);

    public Task FirstLoadStarted => _started.Task;

    public void Release() => _released.SetResult();

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        if (command.CommandText.Contains("FROM \"Job\"", StringComparison.Ordinal)
            && Interlocked.Increment(ref _count) == 1 && blocksFirst)
        {
            _started.SetResult();
            await _released.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
        }

        return result;
    }
}

static class JobRegistration
{
    /// <summary>Adds the saga of the jobs.</summary>
    /// <param name="bus">The bus.</param>
    /// <param name="keepRecent">Whether new jobs stay in memory for their first message.</param>
    /// <param name="loads">Counts the loads, or null.</param>
    public static void AddJobs(this IBusRegistrationConfigurator bus, bool keepRecent, JobLoadCounter? loads)
    {
        bus.AddSagaStateMachine<TestJobStateMachine, Job>().EntityFrameworkRepository(r =>
        {
            r.ConcurrencyMode = ConcurrencyMode.Optimistic;
            r.KeepRecentSagas = keepRecent;
            r.ExistingDbContext<TestDbContext>();
            r.UsePostgres();
        });
        if (loads != null)
            bus.ConfigureDbContext<TestDbContext>((_, options) => options.AddInterceptors(loads));
    }
}
