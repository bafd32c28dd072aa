using MassTransit.EntityFrameworkCoreIntegration;
using Messaging.Postgres.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Operations.V1;

namespace Service.Defaults;

/// <summary>Shows operators the parked messages of an outbox, and sends or deletes them.</summary>
sealed partial class ParkedMessages<TDbContext>(TDbContext db, DatabaseClock<TDbContext> clock, PageTokens tokens,
    ILogger<ParkedMessages<TDbContext>> log) where TDbContext : DbContext
{
    const string Filter = "ListParkedMessages";
    const int DefaultPageSize = 100;
    const int MaxIds = 1000;

    /// <summary>Lists parked messages, the oldest first: the ids of rows increase with time.</summary>
    public async Task<ListParkedMessagesResponse> ListAsync(ListParkedMessagesRequest request,
        CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var size = violations.Limit(request.PageSize, "page_size", DefaultPageSize);
        var after = tokens.Read<Guid>(request.PageToken, Filter, violations);
        violations.ThrowIfAny();

        var parked = db.Set<OutboxMessage>().AsNoTracking().Where(x => x.Parked != null);
        if (after is { } last)
            parked = parked.Where(x => x.Id > last);
        var page = await parked.OrderBy(x => x.Id).Take(size + 1).ToListAsync(cancellationToken);
        var response = new ListParkedMessagesResponse { Messages = { page.Take(size).Select(x => x.ToProto()) } };
        if (page.Count > size)
            response.NextPageToken = tokens.Create(page[size - 1].Id, Filter);
        return response;
    }

    /// <summary>Makes parked messages due; the recovery of any replica sends them.</summary>
    public async Task<ParkedMessagesResponse> SendAsync(ParkedMessagesRequest request,
        CancellationToken cancellationToken)
    {
        var now = clock.UtcNow();
        var count = await Chosen(request, needsReason: false).ExecuteUpdateAsync(set => set
            .SetProperty(x => x.Parked, (DateTime?)null)
            .SetProperty(x => x.Attempts, 0)
            .SetProperty(x => x.OwnerId, (Guid?)null)
            .SetProperty(x => x.EnqueueTime, now), cancellationToken);
        LogSent(count, request.Operator, request.Reason);
        return new ParkedMessagesResponse { Count = count };
    }

    /// <summary>Deletes parked messages.</summary>
    public async Task<ParkedMessagesResponse> DiscardAsync(ParkedMessagesRequest request,
        CancellationToken cancellationToken)
    {
        var count = await Chosen(request, needsReason: true).ExecuteDeleteAsync(cancellationToken);
        LogDiscarded(count, request.Operator, request.Reason);
        return new ParkedMessagesResponse { Count = count };
    }

    IQueryable<OutboxMessage> Chosen(ParkedMessagesRequest request, bool needsReason)
    {
        var violations = new FieldViolations();
        var ids = violations.Ids(request.PendingMessageIds, "pending_message_ids", MaxIds);
        if (needsReason && string.IsNullOrWhiteSpace(request.Reason))
            violations.Add("reason", "is missing");
        violations.ThrowIfAny();
        return db.Set<OutboxMessage>().Where(x => ids.Contains(x.Id) && x.Parked != null);
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Count} parked messages are sent again, because an operator asks for it")]
    partial void LogSent(int count, [PersonalData] string @operator, [PersonalData] string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{Count} parked messages were deleted, because an operator asked for it")]
    partial void LogDiscarded(int count, [PersonalData] string @operator, [PersonalData] string reason);
}
