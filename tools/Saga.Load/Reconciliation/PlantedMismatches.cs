using Npgsql;

namespace Saga.Load;

/// <summary>Damages finished orders that <see cref="Growth" /> has inserted, each in one of seven ways.</summary>
static class PlantedMismatches
{
    const int PerKind = 3;

    static readonly (string Kind, bool IsInOrder, string Sql)[] Kinds =
    [
        ("ConfirmedNotCaptured", false, "update reservations set status = 'Held' where order_id = $1"),
        ("ConfirmedWithoutFunds", false, "update reservations set status = 'Released' where order_id = $1"),
        ("AmountDiffers", false, "update reservations set amount = 2 where order_id = $1"),
        ("AccountDiffers", false, "update reservations set account_id = gen_random_uuid() where order_id = $1"),
        ("OrderWithoutReservation", false, "delete from reservations where order_id = $1"),
        ("CapturedWithoutConfirmed", true, "update orders set current_state = 'Cancelled' where order_id = $1"),
    ];

    const string DamageAccount = "update accounts set available = available + 1 where account_id = $1";

    /// <summary>Plants 20 mismatches, evenly among the orders.</summary>
    /// <param name="orders">The connection string of Order's database.</param>
    /// <param name="accounts">The connection string of Account's database.</param>
    /// <param name="grown">The number of orders that were inserted.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The subject and the kind of each.</returns>
    public static async Task<IReadOnlyList<(string Subject, string Kind)>> PlantAsync(
        string orders, string accounts, int grown, CancellationToken cancellationToken)
    {
        var planted = new List<(string, string)>();
        foreach (var (i, (kind, isInOrder, sql)) in Enumerable.Repeat(Kinds, PerKind).SelectMany(x => x).Index())
        {
            var id = Growth.OrderId((int)((i + 0.5) * grown / (PerKind * Kinds.Length)));
            await ExecuteAsync(isInOrder ? orders : accounts, sql, id, cancellationToken);
            planted.Add(($"{id}", kind));
        }

        foreach (var account in new[] { Growth.AccountId(1), Growth.AccountId(Growth.Accounts - 1) })
        {
            await ExecuteAsync(accounts, DamageAccount, account, cancellationToken);
            planted.Add(($"{account}", "LedgerDoesNotReplay"));
        }

        return planted;
    }

    static async Task ExecuteAsync(string database, string sql, Guid id, CancellationToken cancellationToken)
    {
        await using var source = NpgsqlDataSource.Create($"{database};Pooling=false");
        await using var command = source.CreateCommand(sql);
        command.Parameters.Add(new() { Value = id });
        if (await command.ExecuteNonQueryAsync(cancellationToken) != 1)
            throw new InvalidOperationException($"there is no row {id} to damage: {sql}");
    }
}
