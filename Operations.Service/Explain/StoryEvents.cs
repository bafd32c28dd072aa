using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using Money = Google.Type.Money;

namespace Operations;

/// <summary>Puts what both services and the broker know about an order in time.</summary>
static class StoryEvents
{
    const string Order = "Order";
    const string Account = "Account";
    const int MaxReason = 300; // characters

    /// <summary>The events of an order, in time.</summary>
    public static IEnumerable<StoryEvent> Of(OrderStoryFacts facts) =>
        OfOrder(facts.Order).Concat(OfReservation(facts.Reservation)).Concat(facts.Letters.SelectMany(OfLetter))
            .OrderBy(x => x.Time); // stable

    static IEnumerable<StoryEvent> OfOrder(OrderStory? story)
    {
        if (story == null)
            yield break;
        var order = story.Order;
        if (story.Transitions.Count == 0)
        {
            yield return Event(order.CreateTime, Order, $"{Accepted(order)}.");
            yield return Event(order.UpdateTime, Order, $"The order became {order.State}{Because(order.Reason)}.");
        }

        foreach (var step in story.Transitions)
            yield return Event(step.Time, Order, Text(step, order));
        foreach (var message in story.PendingMessages)
            yield return Of(message, Order);
    }

    static string Text(Transition step, OrderRecord order) =>
        step.FromState == "" ? $"{Accepted(order)} and became {step.ToState}."
        : step.FromState == step.ToState ? $"{step.Event}: the order stayed {step.ToState}."
        : $"{step.Event}{Named(" by ", CallerOf(step, order))}: the order became {step.ToState}{Because(step.Reason)}.";

    static string Accepted(OrderRecord order) =>
        $"The order over {Text(order.Total)} was accepted{Named(" from ", order.PlacedBy)}";

    static string CallerOf(Transition step, OrderRecord order) =>
        step.Event == "CancellationRequested" ? order.CancelledBy : "";

    static IEnumerable<StoryEvent> OfReservation(ReservationStory story)
    {
        if (story.Reservation is { } reservation && (story.Entries.Count == 0 || reservation.Status == "Rejected"))
            yield return Event(reservation.CreateTime, Account,
                $"The reservation is {reservation.Status}{Because(reservation.Reason)}; nothing was held.");
        foreach (var entry in story.Entries)
            yield return Event(entry.CreateTime, Account, $"{entry.Kind} of {Text(entry.Amount)}: then the account had "
                + $"{Text(entry.AvailableAfter)} available, {Text(entry.HeldAfter)} held, "
                + $"{Text(entry.CapturedAfter)} captured.");
        foreach (var message in story.PendingMessages)
            yield return Of(message, Account);
    }

    static IEnumerable<StoryEvent> OfLetter(DeadLetterMessage letter)
    {
        var (cause, type) = (letter.Cause, MessageEnvelope.NameOf(letter.Cause.MessageType));
        if (cause.Kind == DeadLetterKind.Parked || letter.Time is not { } time)
            yield break; // it is among the pending messages
        var place = cause.Place == "" ? "" : $" in {cause.Place}";
        yield return Event(time.ToTimestamp(), cause.Queue, cause.Kind == DeadLetterKind.Skipped
            ? $"{type} was skipped: {letter.Reason}."
            : $"{type} failed{place}: {cause.ExceptionType}: {Short(letter.Reason)}");
    }

    static StoryEvent Of(PendingMessage message, string service)
    {
        var type = MessageEnvelope.NameOf(message.MessageType);
        return Event(message.CreateTime, service, message.State switch
        {
            PendingMessage.Types.State.Scheduled => $"{type} was scheduled for {Text(message.SendTime)}.",
            PendingMessage.Types.State.Parked => $"{type} was committed, and is parked: {Short(message.Error)}",
            _ => $"{type} was committed, and the broker has not confirmed it yet"
                + (message.Error == "" ? "." : $": {Short(message.Error)}"),
        });
    }

    static StoryEvent Event(Timestamp? time, string source, string text) =>
        new() { Time = time, Source = source, Text = text };

    static string Named(string before, string caller) => caller == "" ? "" : $"{before}{caller}";

    static string Because(string reason) => reason == "" ? "" : $" ({reason})";

    /// <summary>The beginning of a reason, so that the sentence around it stays readable.</summary>
    public static string Short(string reason) => reason.Length <= MaxReason ? reason : $"{reason[..MaxReason]}…";

    /// <summary>An amount with its currency, such as 12.5 EUR.</summary>
    public static string Text(Money? money) => money == null ? "?"
        : string.Create(CultureInfo.InvariantCulture,
            $"{money.DecimalValue:0.####} {money.CurrencyCode}");

    /// <summary>A time to the second, in UTC.</summary>
    public static string Text(Timestamp? time) =>
        time?.ToDateTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "?";

    /// <summary>A duration in its largest sensible unit, such as 90 s or 5 min.</summary>
    public static string Text(TimeSpan time) => time < TimeSpan.FromMinutes(2) ? $"{time.TotalSeconds:F0} s"
        : time < TimeSpan.FromHours(2) ? $"{time.TotalMinutes:F0} min"
        : time < TimeSpan.FromDays(2) ? $"{time.TotalHours:F0} h" : $"{time.TotalDays:F0} days";
}
