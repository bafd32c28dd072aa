using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Messaging.Postgres.Database;

/// <summary>Prepares the tagged queries of Entity Framework on their connections.</summary>
sealed class PreparedQueries : DbCommandInterceptor
{
    /// <summary>Marks queries whose text never varies.</summary>
    public const string Tag = "prepared by Messaging.Postgres";

    const string Comment = $"-- {Tag}";

    public override async ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(DbCommand command,
        CommandEventData eventData, InterceptionResult<DbDataReader> result,
            CancellationToken cancellationToken = default)
    {
        if (command.CommandText.StartsWith(Comment, StringComparison.Ordinal))
            await command.PrepareAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }
}
