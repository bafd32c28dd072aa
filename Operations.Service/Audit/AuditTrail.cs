using Grpc.Core;
using Messaging.Postgres.Observability;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Runs the actions of operators and records them. An action does not begin before its first line is committed, so
/// nothing is done without a trace.
/// </summary>
sealed partial class AuditTrail(IServiceScopeFactory scopes, TimeProvider time, ILogger<AuditTrail> log)
{
    /// <summary>Runs an action between its two lines.</summary>
    /// <param name="action">Who asks for what, and why.</param>
    /// <param name="run">
    /// Does it, and reports how many orders or messages it has changed so far; a failure is recorded with that number.
    /// </param>
    /// <param name="cancellationToken">Cancels the first line; the last one is always written.</param>
    public async Task RunAsync(OperatorAction action, Func<Action<long>, Task> run,
        CancellationToken cancellationToken)
    {
        var (id, changed) = (Guid.CreateVersion7(), 0L);
        await WriteAsync(action, id, AuditOutcome.Started, 0, null, cancellationToken);
        try
        {
            await run(x => changed = x);
        }
        catch (Exception e)
        {
            var isCancelled = cancellationToken.IsCancellationRequested;
            await EndAsync(isCancelled ? AuditOutcome.Cancelled : AuditOutcome.Failed, isCancelled ? null : TextOf(e));
            throw;
        }

        await EndAsync(AuditOutcome.Succeeded, null);

        async Task EndAsync(AuditOutcome outcome, string? detail)
        {
            LogEnded(action.Operator, action.Name, action.Target, outcome.ToString(), changed, action.Reason);
            await WriteAsync(action, id, outcome, changed, detail, CancellationToken.None);
        }
    }

    /// <summary>Says to operators why something has failed.</summary>
    public static string TextOf(Exception error) =>
        error is RpcException rpc ? $"{rpc.StatusCode}: {rpc.Status.Detail}" : Reason.Of(error);

    async Task WriteAsync(OperatorAction action, Guid id, AuditOutcome outcome, long changed, string? detail,
        CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<OperationsDbContext>();
        db.AuditEntries.Add(new AuditEntry
        {
            ActionId = id,
            Time = time.UtcNow(),
            Operator = action.Operator,
            Action = action.Name,
            Target = action.Target,
            Reason = action.Reason,
            Outcome = outcome,
            Count = changed,
            Detail = detail,
        });
        await db.SaveChangesAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The operators' action {Action} on {Target} has ended: {Outcome}. Changed orders or messages: {Count}. "
        + "Run ops audit to see who did it and why")]
    partial void LogEnded([PersonalData] string @operator, string action, string target, string outcome, long count,
        [PersonalData] string reason);
}
