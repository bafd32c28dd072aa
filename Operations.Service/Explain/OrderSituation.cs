using Operations.V1;
using static Operations.StoryEvents;

namespace Operations;

/// <summary>Says in one sentence what an order waits for, or how it has ended.</summary>
static class OrderSituation
{
    /// <summary>The sentence.</summary>
    public static string Of(OrderStoryFacts facts)
    {
        var reservation = facts.Reservation.Reservation;
        var funds = !facts.IsAccountReached ? "Account does not answer"
            : reservation == null ? "Account has decided nothing about it"
            : $"its reservation over {Text(reservation.Amount)} is {reservation.Status}";
        if (facts.Order is not { } story)
            return $"{(facts.IsOrderReached ? "Order does not know this order" : "Order does not answer")}; {funds}.";
        if (story.Wait is not { } wait)
            return $"The order is {story.Order.State} since {Text(story.Order.UpdateTime)} and waits for nothing; "
                + $"{funds}.";
        var waited = facts.Now - wait.Since.ToDateTime();
        return $"The order is {story.Order.State} and has waited for {wait.Message} since {Text(wait.Since)} "
            + $"({Text(waited)}{(wait.IsStuck ? ", longer than expected" : "")}); {funds}. Its command goes to "
            + $"{wait.Queue}, and is sent again by itself at {Text(wait.ResendTime)}.";
    }
}
