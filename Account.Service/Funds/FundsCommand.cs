using Contracts;

namespace Accounts;

/// <summary>A message that decides about the funds of an order.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="AccountId">The paying account.</param>
/// <param name="Message">
/// A <see cref="ReserveFunds" />, <see cref="ReleaseFunds" /> or <see cref="OrderConfirmed" />.
/// </param>
/// <param name="SharesAnswer">
/// Whether one <see cref="OrdersCaptured" /> may answer this capture together with others.
/// </param>
public sealed record FundsCommand(Guid OrderId, Guid AccountId, object Message, bool SharesAnswer = false)
{
    /// <summary>Creates the command for a message.</summary>
    /// <exception cref="ArgumentException">The message does not concern funds.</exception>
    public static FundsCommand Of(object message, bool sharesAnswer = false) => message switch
    {
        ReserveFunds x => new(x.OrderId, x.AccountId, x),
        ReleaseFunds x => new(x.OrderId, x.AccountId, x),
        OrderConfirmed x => new(x.OrderId, x.AccountId, x, sharesAnswer),
        _ => throw new ArgumentException(
            $"{message?.GetType().Name} does not concern the funds of an order", nameof(message)),
    };
}
