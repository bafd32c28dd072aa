using Npgsql;
using Saga.Services;

namespace Saga.Audit;

/// <summary>
/// Checks the invariants of the design on both databases by its own SQL; it shares no code with the services. I5 is
/// checked by the ledger: captured funds are never released, and released funds are never captured.
/// </summary>
/// <param name="orderDatabase">The connection string of Order's database.</param>
/// <param name="accountDatabase">The connection string of Account's database.</param>
/// <param name="broker">The broker's queues, or null if they are not audited.</param>
public sealed class Auditor(string orderDatabase, string accountDatabase, BrokerQueues? broker)
{
    /// <summary>An auditor of a system that runs on this machine.</summary>
    public static Auditor Of(OrderSystem system) => new(system.Servers.Postgres.Admin(system.OrderDatabase),
        system.Servers.AccountPostgres.Admin(system.AccountDatabase), BrokerQueues.Of(system));

    /// <summary>Waits until the system is idle, and checks the invariants.</summary>
    /// <param name="settle">The maximum wait; work that is still pending then is a violation.</param>
    /// <param name="cancellationToken">Cancels the audit.</param>
    public async Task<AuditReport> AuditAsync(TimeSpan settle, CancellationToken cancellationToken)
    {
        await using var orders = NpgsqlDataSource.Create(orderDatabase);
        await using var accounts = NpgsqlDataSource.Create(accountDatabase);
        var end = DateTime.UtcNow + settle;
        while (true)
        {
            var findings = new AuditFindings();
            await new IdleChecks(orders, accounts, broker, findings).RunAsync(end, cancellationToken);
            await new MoneyChecks(accounts, findings).RunAsync(cancellationToken);
            await new OrderChecks(orders, accounts, findings).RunAsync(cancellationToken);
            await new HistoryChecks(orders, findings).RunAsync(cancellationToken);
            if (!findings.MayBePending || DateTime.UtcNow > end)
                return new AuditReport(findings.Counts, findings.Violations, broker != null);

            // A consumer may still handle a message, which no queue counts any more.
            await Task.Delay(200, cancellationToken);
        }
    }
}
