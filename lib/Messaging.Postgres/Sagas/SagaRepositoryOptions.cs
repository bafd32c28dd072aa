using System.Data;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>The values that <see cref="IEntityFrameworkSagaRepositoryConfigurator" /> sets and documents.</summary>
sealed class SagaRepositoryOptions<TSaga> where TSaga : class, ISaga
{
    IsolationLevel? _isolationLevel;

    public Func<IServiceProvider, DbContext> GetDbContext { get; set; } = null!;
    public bool OwnsDbContext { get; set; }

    /// <summary>Creates the DbContexts instead, for a repository without a container.</summary>
    public ISagaDbContextFactory<TSaga>? Factory { get; set; }

    /// <summary>The contexts for shared loads; null if the repository creates its own DbContexts.</summary>
    public Func<IServiceProvider, IRecentContexts>? GetRecentContexts { get; set; }

    /// <summary>The instances kept in memory, or null if every instance is loaded.</summary>
    public RecentSagas<TSaga>? RecentSagas { get; set; }

    public bool IsPessimistic { get; set; } = true;
    public bool UseTransaction { get; set; } = true;

    public IsolationLevel IsolationLevel
    {
        get => _isolationLevel ?? (IsPessimistic ? IsolationLevel.Serializable : IsolationLevel.ReadCommitted);
        set => _isolationLevel = value;
    }

    public ILockStatementProvider LockStatements { get; set; } = new PostgresLockStatementProvider();
    public Func<IQueryable<TSaga>, IQueryable<TSaga>>? Customization { get; set; }

    public DbContext OpenDbContext(IServiceProvider provider) => Factory?.Create() ?? GetDbContext(provider);

    public DbContext OpenDbContext<T>(IServiceProvider provider, ConsumeContext<T> context) where T : class =>
        Factory?.CreateScoped(context) ?? GetDbContext(provider);

    public ValueTask CloseDbContext(DbContext db) =>
        Factory?.ReleaseAsync(db) ?? (OwnsDbContext ? db.DisposeAsync() : default);

    public IQueryable<TSaga> Customize(IQueryable<TSaga> query) => Customization?.Invoke(query) ?? query;

    /// <summary>
    /// Loads an instance without a lock. The query is compiled once, because it runs for every message.
    /// </summary>
    public Task<TSaga?> FindById(DbContext db, Guid correlationId, CancellationToken cancellationToken) =>
        Customization == null
        ? _findById(db, correlationId, cancellationToken)
        : Customize(db.Set<TSaga>()).AsTracking()
            .SingleOrDefaultAsync(x => x.CorrelationId == correlationId, cancellationToken);

    /// <summary>Loads many instances, untracked, without locks and without the customization.</summary>
    public async Task<Dictionary<Guid, TSaga>> FindByIds(DbContext db, Guid[] ids)
    {
        var found = new Dictionary<Guid, TSaga>(ids.Length);
        await foreach (var instance in _findByIds(db, ids).ConfigureAwait(false))
            found.Add(instance.CorrelationId, instance);
        return found;
    }

    readonly Func<DbContext, Guid[], IAsyncEnumerable<TSaga>> _findByIds = EF.CompileAsyncQuery(
        (DbContext db, Guid[] ids) => db.Set<TSaga>().AsNoTracking().TagWith(PreparedQueries.Tag)
            .Where(x => ids.Contains(x.CorrelationId)));

    readonly Func<DbContext, Guid, CancellationToken, Task<TSaga?>> _findById = EF.CompileAsyncQuery(
        (DbContext db, Guid id, CancellationToken _) =>
            db.Set<TSaga>().AsTracking().SingleOrDefault(x => x.CorrelationId == id));
}
