using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Messaging.Postgres.Outbox;
using Microsoft.AspNetCore.Authorization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Operations.V1;

namespace Service.Defaults;

/// <summary>
/// The methods of <c>proto/operations/v1/messaging_operations.proto</c>, which documents them, for one service.
/// </summary>
public sealed class MessagingOperationsService<TDbContext>(IServiceProvider services)
    : MessagingOperations.MessagingOperationsBase where TDbContext : DbContext
{
    ParkedMessages<TDbContext> Parked { get; } =
        ActivatorUtilities.CreateInstance<ParkedMessages<TDbContext>>(services);

    PausedQueues<TDbContext> Queues { get; } = ActivatorUtilities.CreateInstance<PausedQueues<TDbContext>>(services);

    /// <inheritdoc />
    public override async Task<Outbox> GetOutbox(GetOutboxRequest request, ServerCallContext context)
    {
        var backlog = await services.GetRequiredService<OutboxStore<TDbContext>>()
            .ReadBacklog(Given(context).CancellationToken);
        return new Outbox
        {
            Unsent = backlog.Pending,
            OldestAge = backlog.OldestAge.ToDuration(),
            Parked = backlog.Parked,
        };
    }

    /// <inheritdoc />
    public override Task<ListParkedMessagesResponse> ListParkedMessages(ListParkedMessagesRequest request,
        ServerCallContext context) => Parked.ListAsync(Given(request), Given(context).CancellationToken);

    /// <inheritdoc />
    [Authorize(Scopes.Operate)]
    public override Task<ParkedMessagesResponse> SendParkedMessages(ParkedMessagesRequest request,
        ServerCallContext context) => Parked.SendAsync(Given(request), Given(context).CancellationToken);

    /// <inheritdoc />
    [Authorize(Scopes.Operate)]
    public override Task<ParkedMessagesResponse> DiscardParkedMessages(ParkedMessagesRequest request,
        ServerCallContext context) => Parked.DiscardAsync(Given(request), Given(context).CancellationToken);

    /// <inheritdoc />
    public override Task<ListQueuesResponse> ListQueues(ListQueuesRequest request, ServerCallContext context) =>
        Queues.ListAsync(Given(context).CancellationToken);

    /// <inheritdoc />
    [Authorize(Scopes.Operate)]
    public override Task<Queue> PauseQueue(PauseQueueRequest request, ServerCallContext context) =>
        Queues.PauseAsync(Given(request), Given(context).CancellationToken);

    /// <inheritdoc />
    [Authorize(Scopes.Operate)]
    public override Task<Queue> ResumeQueue(ResumeQueueRequest request, ServerCallContext context) =>
        Queues.ResumeAsync(Given(request), Given(context).CancellationToken);

    static T Given<T>(T value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return value;
    }
}
