using Contracts;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Options;
using Npgsql;
using Operations.V1;
using Service.Defaults;

namespace Accounts;

/// <summary>The method ListStuckHolds. A hold is expected to end within <c>Funds:MaxHoldAge</c>.</summary>
sealed class StuckHolds(PrimaryDatabase database, IOptions<FundsOptions> options)
{
    const int DefaultIds = 10;

    // By the index of status and order id.
    const string Query = """
        select count(*), min(create_time), (array_agg(order_id order by create_time, order_id))[1:$2]
        from reservations where status = 'Held' and create_time < now() - $1
        """;

    /// <summary>Counts the old holds.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListStuckHoldsResponse> ListAsync(
        ListStuckHoldsRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var age = violations.OptionalAge(request.OlderThan, "older_than") ?? options.Value.MaxHoldAge;
        var ids = violations.Limit(request.MaxIds, "max_ids", DefaultIds);
        violations.ThrowIfAny();

        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(Query, connection);
        command.Parameters.Add(new() { Value = age });
        command.Parameters.Add(new() { Value = ids });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var response = new ListStuckHoldsResponse();
        if (row.GetInt64(0) > 0)
            response.Groups.Add(new StuckGroup
            {
                Message = $"{nameof(OrderConfirmed)} or {nameof(ReleaseFunds)}",
                Queue = "capture-funds",
                Count = row.GetInt64(0),
                OldestSince = row.GetDateTime(1).ToTimestamp(),
                OrderIds = { row.GetFieldValue<Guid[]>(2).Select(x => $"{x}") },
                Advice = "Check that Order runs and knows the orders. If it waits for their captures or releases, "
                    + "redrive them there. If it does not know them, or they have ended without their funds: "
                    + "ops release-hold.",
                OlderThan = age.ToDuration(),
            });
        return response;
    }
}
