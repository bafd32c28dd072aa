using System.Diagnostics;

namespace Saga.Load;

/// <summary>The result of an overload.</summary>
/// <param name="OrdersPerSecond">The rate of terminal orders during the overload.</param>
/// <param name="RejectedCalls">The number of rejected calls, each of which was retried.</param>
/// <param name="Errors">The number of failed calls and of orders without a terminal status.</param>
/// <param name="EndedAt">The end of the overload, in ticks of <see cref="Stopwatch" />.</param>
sealed record OverloadResult(double OrdersPerSecond, int RejectedCalls, int Errors, long EndedAt);
