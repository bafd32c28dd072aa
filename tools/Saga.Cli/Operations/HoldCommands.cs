using System.CommandLine;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The command about funds that are held for no live order.</summary>
static class HoldCommands
{
    const string Orphaned = "HoldWithoutLiveOrder";
    const int MaxHolds = 1000;

    public static Command Release(OpsConnection connection)
    {
        var orders = new Argument<string[]>("orders")
        {
            Description = "The ids of the orders.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var orphaned = new Option<bool>("--orphaned")
        {
            Description = $"All that reconcile lists as {Orphaned}, at most {MaxHolds}.",
        };
        var (reason, yes) = (OpsRun.ReasonOption(), OpsRun.YesOption());
        var command = new Command("release-hold", "Releases funds that Account holds for orders which do not need "
            + "them. Order refuses it for orders that are open or confirmed.") { orders, orphaned, reason, yes };
        command.Validators.Add(result =>
        {
            if (result.GetValue(orders) is { Length: > 0 } == result.GetValue(orphaned))
                result.AddError("name orders, or --orphaned");
        });
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var ids = parsed.GetValue(orphaned) ? await FindOrphanedAsync(client, run) : parsed.GetValue(orders)!;
            if (ids.Length == 0)
            {
                run.Console.WriteLine("Reconciliation knows no such holds.");
                return OpsConnection.Done;
            }

            if (!run.Confirm($"Release the funds of {ids.Length} orders ({OpsRun.Some(ids)})", parsed.GetValue(yes)))
                return OpsConnection.Found;
            var response = await client.ReleaseHoldsAsync(new ReleaseHoldsRequest
            {
                OrderIds = { ids },
                Operator = run.Operator,
                Reason = parsed.GetValue(reason)!,
            }, cancellationToken: run.CancellationToken);
            run.Write(response, () =>
            {
                run.Console.WriteLine($"{response.Released.Count} released, {response.Kept.Count} kept");
                foreach (var kept in response.Kept)
                    run.Console.WriteLine($"{kept.OrderId}: {kept.Reason}");
            });
            return response.Kept.Count == 0 ? OpsConnection.Done : OpsConnection.Found;
        });
        return command;
    }

    static async Task<string[]> FindOrphanedAsync(OperationsService.OperationsServiceClient client, OpsRun run) =>
        [.. (await client.GetReconciliationAsync(new GetReconciliationRequest { MaxMismatches = MaxHolds },
            cancellationToken: run.CancellationToken)).Mismatches.Where(x => x.Kind == Orphaned)
            .Select(x => x.SubjectId)];
}
