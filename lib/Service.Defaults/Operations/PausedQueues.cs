using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Messaging.Postgres.Database;
using Messaging.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Operations.V1;

namespace Service.Defaults;

/// <summary>Shows operators the queues of a service, and pauses and resumes them.</summary>
sealed class PausedQueues<TDbContext>(TDbContext db, DatabaseClock<TDbContext> clock, ReceiveTopology topology,
    PauseWatcher<TDbContext> watcher) where TDbContext : DbContext
{
    const int MaxLength = 500;

    /// <summary>Lists the queues.</summary>
    public async Task<ListQueuesResponse> ListAsync(CancellationToken cancellationToken)
    {
        var paused = await db.Set<PausedQueue>().AsNoTracking().ToDictionaryAsync(x => x.Name, cancellationToken);
        return new ListQueuesResponse
        {
            Queues = { topology.Queues.Order().Select(x => ToProto(x, paused.GetValueOrDefault(x))) },
        };
    }

    /// <summary>Pauses a queue; one that is paused stays as it is.</summary>
    public async Task<Queue> PauseAsync(PauseQueueRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        if (string.IsNullOrWhiteSpace(request.Reason))
            violations.Add("reason", "is missing");
        if (request.Reason.Length > MaxLength || request.Operator.Length > MaxLength)
            violations.Add("reason", $"and operator must have at most {MaxLength} characters");
        violations.ThrowIfAny();
        CheckName(request.Name);
        await db.Database.ExecuteSqlAsync($"""
            insert into paused_queues (name, operator, reason, pause_time)
            values ({request.Name}, {request.Operator}, {request.Reason}, {clock.UtcNow()}) on conflict do nothing
            """, cancellationToken);
        return await ApplyAsync(request.Name, cancellationToken);
    }

    /// <summary>Ends a pause; a queue that is not paused stays as it is.</summary>
    public async Task<Queue> ResumeAsync(ResumeQueueRequest request, CancellationToken cancellationToken)
    {
        CheckName(request.Name);
        await db.Set<PausedQueue>().Where(x => x.Name == request.Name).ExecuteDeleteAsync(cancellationToken);
        return await ApplyAsync(request.Name, cancellationToken);
    }

    /// <summary>Applies it in this process at once; other replicas do within a second.</summary>
    async Task<Queue> ApplyAsync(string name, CancellationToken cancellationToken)
    {
        await watcher.ReadAsync(cancellationToken);
        return ToProto(name, await db.Set<PausedQueue>().AsNoTracking()
            .SingleOrDefaultAsync(x => x.Name == name, cancellationToken));
    }

    void CheckName(string name)
    {
        if (!topology.Queues.Contains(name))
            throw RpcErrors.Other(StatusCode.NotFound, "QUEUE_NOT_FOUND",
                $"this service consumes no queue of this name, but {string.Join(", ", topology.Queues.Order())}");
    }

    static Queue ToProto(string name, PausedQueue? pause) => new()
    {
        Name = name,
        IsPaused = pause != null,
        Operator = pause?.Operator ?? "",
        Reason = pause?.Reason ?? "",
        PauseTime = pause?.PauseTime.ToTimestamp(),
    };
}
