using System.Data.Common;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace Saga.Tests.Messaging;

/// <summary>Counts the queries for errands.</summary>
/// <param name="holdsFirst">The first one waits until <see cref="Release" />.</param>
sealed class ErrandLoads(bool holdsFirst = false) : DbCommandInterceptor
{
    readonly TaskCompletionSource _begun = new(), _released = new();
    int _count;

    public int Count => Volatile.Read(ref _count);

    public Task FirstIsHeld => _begun.Task;

    public void Release() => _released.SetResult();

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        if (command.CommandText.Contains("FROM \"Errand\"", StringComparison.Ordinal) && Interlocked.Increment(ref _count) == 1 && holdsFirst)
        {
            _begun.SetResult();
            await _released.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
        }

        return result;
    }
}

static class ErrandRegistration
{
    /// <summary>Adds errands, and has their queries counted.</summary>
    /// <param name="bus">The bus that they are added to.</param>
    /// <param name="keepNew">New ones wait in memory for their first message.</param>
    /// <param name="loads">Counts, or null.</param>
    public static void AddErrands(this IBusRegistrationConfigurator bus, bool keepNew, ErrandLoads? loads)
    {
        bus.AddSagaStateMachine<ErrandMachine, Errand>().EntityFrameworkRepository(r =>
        {
            r.ConcurrencyMode = ConcurrencyMode.Optimistic;
            r.KeepRecentSagas = keepNew;
            r.ExistingDbContext<TestDbContext>();
            r.UsePostgres();
        });
        if (loads != null)
            bus.ConfigureDbContext<TestDbContext>((_, options) => options.AddInterceptors(loads));
    }
}
