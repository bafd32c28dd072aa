using Grpc.Core;
using Operations.V1;

namespace Accounts;

/// <summary>
/// The methods for operators of <c>proto/operations/v1/account_operations.proto</c>, which documents them.
/// </summary>
sealed class AccountOperationsService(ReservationStories stories, StuckHolds stuck, ReservationFactList facts,
    AccountChecks checks, EntryExport export, LedgerTotalsQuery totals) : AccountOperations.AccountOperationsBase
{
    public override Task<ReservationStory> GetReservationStory(
        GetReservationStoryRequest request, ServerCallContext context) =>
        stories.ReadAsync(request, context.CancellationToken);

    public override Task<ListStuckHoldsResponse> ListStuckHolds(
        ListStuckHoldsRequest request, ServerCallContext context) =>
        stuck.ListAsync(request, context.CancellationToken);

    public override Task<ListReservationFactsResponse> ListReservationFacts(
        ListReservationFactsRequest request, ServerCallContext context) =>
        facts.ListAsync(request, context.CancellationToken);

    public override Task<GetReservationFactsResponse> GetReservationFacts(
        GetReservationFactsRequest request, ServerCallContext context) =>
        facts.GetAsync(request, context.CancellationToken);

    public override Task<CheckAccountsResponse> CheckAccounts(
        CheckAccountsRequest request, ServerCallContext context) =>
        checks.RunAsync(request, context.CancellationToken);

    public override Task ExportEntries(
        ExportRequest request, IServerStreamWriter<EntryRecord> responseStream, ServerCallContext context) =>
        export.WriteAsync(request, responseStream, context.CancellationToken);

    public override Task<LedgerTotals> GetLedgerTotals(GetTotalsRequest request, ServerCallContext context) =>
        totals.ReadAsync(request, context.CancellationToken);
}
