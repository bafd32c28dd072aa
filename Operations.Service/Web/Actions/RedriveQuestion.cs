using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using static Operations.Web.PageText;

namespace Operations.Web;

/// <summary>Asks before commands are sent again whose answers orders wait for.</summary>
static class RedriveQuestion
{
    /// <summary>About one order.</summary>
    public static ActionQuestion Of(OperatorActions actions, string orderId) => new("Redrive an order",
        _ => $"Send the command again whose answer 1 order waits for, {orderId}?",
        run => RunAsync(actions, new RedriveRequest { OrderIds = { orderId } }, run));

    /// <summary>About all orders of a group.</summary>
    public static ActionQuestion Of(OperatorActions actions, StuckGroup group) => new("Redrive orders",
        _ => $"Send the command to {group.Queue} again for {Number(group.Count, "order")} waiting for {group.Message}"
            + $"{Least(group.OlderThan)}? The oldest: {string.Join(", ", group.OrderIds)}",
        run => RunAsync(actions, new RedriveRequest { Queue = group.Queue, OlderThan = group.OlderThan }, run))
    { HasRate = true };

    static string Least(Duration age) =>
        age.ToTimeSpan() is { Ticks: > 0 } time ? $" for at least {StoryEvents.Text(time)}" : "";

    static async Task<ActionOutcome> RunAsync(OperatorActions actions, RedriveRequest request, ActionRun run)
    {
        (request.Operator, request.Reason, request.Rate) = (run.Operator, run.Reason, run.Rate);
        var last = new RedriveProgress();
        await actions.RedriveAsync(request, progress =>
        {
            last = progress;
            return run.ReportAsync(progress.Sent + progress.Skipped, progress.Total, Describe(progress));
        }, run.CancellationToken);
        return new ActionOutcome(Describe(last), last.Skipped == 0);
    }

    static string Describe(RedriveProgress progress) => $"{Number(progress.Sent)} of {Number(progress.Total)} sent, "
        + $"{Number(progress.Skipped)} waited for nothing any more.";
}
