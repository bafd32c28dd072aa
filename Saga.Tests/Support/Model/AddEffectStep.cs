using Messaging.Postgres;
using Npgsql;

namespace Saga.Tests.Support.Model;

/// <summary>A batch step that inserts one effect per request.</summary>
sealed class AddEffectStep : IBatchStep<AddEffect, int>
{
    /// <summary>Flows with the ExecutionContext of a caller; the step must not see its value.</summary>
    public static AsyncLocal<string?> Tenant { get; } = new();

    public void Load(NpgsqlBatch batch, IReadOnlyList<AddEffect> requests) => batch.BatchCommands.Add(new("select 1"));

    public object RowOf(AddEffect request) => request.Behavior == "fail in RowOf"
        ? throw new ArgumentException("thrown by the test")
        : (request.Name, request.Number);

    public Task<BatchDecision<int>> Decide(
        NpgsqlDataReader rows, IReadOnlyList<AddEffect> requests, CancellationToken cancellationToken)
    {
        if (requests.Any(x => x.Behavior == "fail in Decide"))
            throw new ArgumentException("thrown by the test");
        var results = requests.Select(x => (x.Number, x.Behavior == "rejected"
            ? new InvalidOperationException("thrown by the test")
            : (Exception?)null)).ToList();
        var names = requests.Where(x => x.Behavior != "rejected").Select(x => x.Behavior switch
        {
            "violate a constraint" => null,
            "add the tenant" => $"{x.Name}, tenant: {Tenant.Value}",
            _ => x.Name,
        }).ToArray();
        var insert = new NpgsqlBatchCommand(
            """insert into "Effects" ("Id", "Name") select gen_random_uuid(), name from unnest($1) as name""")
        {
            Parameters = { new() { Value = names } },
        };
        return Task.FromResult(new BatchDecision<int>(results, [insert]));
    }
}
