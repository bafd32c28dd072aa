using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Messaging.Postgres.Database;

/// <summary>Has Entity Framework's queries that carry the tag prepared on their connections.</summary>
sealed class PreparedQueries : DbCommandInterceptor
{
    /// <summary>For queries whose text is always the same.</summary>
    public const string Tag = "prepared by Messaging.Postgres";

    const string Comment = $"-- {Tag}";

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command, CommandEventData eventData,
        InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        if (command.CommandText.StartsWith(Comment, StringComparison.Ordinal))
            await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }
}
