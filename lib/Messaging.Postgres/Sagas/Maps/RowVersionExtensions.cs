using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the concurrency token of MassTransit's own sagas.</summary>
static class RowVersionExtensions
{
    /// <summary>
    /// PostgreSQL fills no binary row version, so an optimistic map uses the system column <c>xmin</c> in its place.
    /// </summary>
    public static void HasRowVersion<T>(this EntityTypeBuilder<T> saga, bool optimistic,
        Expression<Func<T, object?>> rowVersion)
        where T : class
    {
        saga.Ignore(rowVersion);
        if (optimistic)
            saga.Property<uint>("xmin").IsRowVersion();
    }
}
