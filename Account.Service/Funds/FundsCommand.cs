using Contracts;

namespace Accounts;

/// <summary>A message that decides about an order's funds.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The account that pays it.</param>
/// <param name="Message">The message.</param>
public sealed record FundsCommand(Guid OrderId, Guid AccountId, object Message)
{
    /// <summary>Reads a message.</summary>
    /// <exception cref="ArgumentException">It is no command to funds.</exception>
    public static FundsCommand Of(object message) => message switch
    {
        ReserveFunds x => new(x.OrderId, x.AccountId, x),
        ReleaseFunds x => new(x.OrderId, x.AccountId, x),
        OrderConfirmed x => new(x.OrderId, x.AccountId, x),
        _ => throw new ArgumentException($"{message} is no command to funds", nameof(message)),
    };
}
