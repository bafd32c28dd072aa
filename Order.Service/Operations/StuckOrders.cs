using Google.Protobuf.WellKnownTypes;
using Messaging.Postgres.Database;
using Microsoft.Extensions.Options;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Orders;

/// <summary>The method ListStuckOrders. An answer of Account is expected within <c>Saga:ResendDelay</c>.</summary>
sealed class StuckOrders(PrimaryDatabase database, IOptions<SagaOptions> options, DatabaseClock<OrderDbContext> time)
{
    const int DefaultIds = 10;

    static readonly string Query = $"""
        select current_state, count(*), min(update_time), (array_agg(order_id order by update_time, order_id))[1:$2]
        from ({AwaitedAnswer.Query("order_id, current_state, update_time", "update_time < $1")}) as waiting
        group by current_state
        """;

    /// <summary>Counts the stuck orders.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListStuckOrdersResponse> ListAsync(
        ListStuckOrdersRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var age = violations.OptionalAge(request.OlderThan, "older_than") ?? options.Value.ResendDelay;
        var ids = violations.Limit(request.MaxIds, "max_ids", DefaultIds);
        violations.ThrowIfAny();

        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Query, connection);
        command.Parameters.Add(new() { Value = time.UtcNow() - age });
        command.Parameters.Add(new() { Value = ids });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var groups = new List<StuckGroup>();
        while (await row.ReadAsync(cancellationToken))
        {
            var state = row.GetString(0);
            var group = AwaitedAnswer.All.First(x => x.State == state).ToStuckGroup();
            group.Count = row.GetInt64(1);
            group.OldestSince = row.GetDateTime(2).ToTimestamp();
            group.OrderIds.Add(row.GetFieldValue<Guid[]>(3).Select(x => $"{x}"));
            group.OlderThan = age.ToDuration();
            groups.Add(group);
        }

        return new ListStuckOrdersResponse { Groups = { groups.OrderBy(x => x.OldestSince) } };
    }
}
