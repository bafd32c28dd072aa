using System.Diagnostics;

namespace Saga.Load;

/// <summary>An accepted order, with times in ticks of <see cref="Stopwatch" />.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="FirstCalledAt">The start of the first call, which may have been rejected.</param>
/// <param name="CalledAt">The start of the accepted call.</param>
/// <param name="AcceptedAt">The end of the accepted call.</param>
sealed record PlacedOrder(Guid OrderId, long FirstCalledAt, long CalledAt, long AcceptedAt);
