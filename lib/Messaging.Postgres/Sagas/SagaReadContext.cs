using MassTransit;
using MassTransit.Middleware;
using MassTransit.Saga;
using Microsoft.EntityFrameworkCore;

namespace Messaging.Postgres.Sagas;

/// <summary>Reads instances outside a message.</summary>
sealed class SagaReadContext<TSaga>(DbContext db, SagaRepositoryOptions<TSaga> options,
    CancellationToken cancellationToken)
    : BasePipeContext(cancellationToken), QuerySagaRepositoryContext<TSaga>, LoadSagaRepositoryContext<TSaga>
    where TSaga : class, ISaga
{
    public async Task<TSaga> Load(Guid correlationId) =>
        (await options.Customize(db.Set<TSaga>()).AsNoTracking()
            .SingleOrDefaultAsync(x => x.CorrelationId == correlationId, CancellationToken).ConfigureAwait(false))!;

    public async Task<SagaRepositoryQueryContext<TSaga>> Query(ISagaQuery<TSaga> query,
        CancellationToken cancellationToken) =>
        new DefaultSagaRepositoryQueryContext<TSaga>(this, await db.Set<TSaga>().AsNoTracking()
            .Where(query.FilterExpression).Select(x => x.CorrelationId).ToListAsync(cancellationToken)
                .ConfigureAwait(false));
}
