using Messaging.Postgres;
using Messaging.Postgres.Database;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Service.Defaults;

/// <summary>Whether the database can be reached and accepts writes.</summary>
sealed class DatabaseCheck(PrimaryDatabase database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var connection = await database.Pool.OpenConnectionAsync(cancellationToken);
            return await IdleConnections.ReplaceLostAsync(connection, database.ClearPool, cancellationToken)
                == ServerState.Writable ? HealthCheckResult.Healthy() : Unready("the database refuses writes");
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e))
        {
            return Unready("the database cannot be reached");
        }

        HealthCheckResult Unready(string reason) => new(context.Registration.FailureStatus, reason);
    }
}
