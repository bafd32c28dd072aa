using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Messaging.Postgres.Sagas;

/// <summary>Facts about the mapping of a saga.</summary>
static class SagaEntityTypeExtensions
{
    /// <summary>
    /// Whether an instance can move to another DbContext: it has no related entities and no shadow properties.
    /// </summary>
    public static bool IsSelfContained(this IEntityType saga) => !saga.GetNavigations().Any()
        && !saga.GetSkipNavigations().Any() && !saga.GetProperties().Any(x => x.IsShadowProperty());
}
