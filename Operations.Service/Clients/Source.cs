using Grpc.Core;
using Operations.V1;

namespace Operations;

/// <summary>What a service or server has answered, or why it is missing.</summary>
/// <param name="Value">The answer, or null.</param>
/// <param name="Missing">Why there is none, or null.</param>
sealed record Source<T>(T? Value, MissingSource? Missing) where T : class
{
    static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);

    /// <summary>Asks for at most five seconds.</summary>
    /// <param name="name">Names it for operators.</param>
    /// <param name="read">Asks.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: it has answered that the request is wrong.</exception>
    public static async Task<Source<T>> ReadAsync(string name, Func<CancellationToken, Task<T>> read,
        CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(MaxTime);
        try
        {
            return new(await read(limited.Token), null);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested
            && e is not RpcException { StatusCode: StatusCode.InvalidArgument })
        {
            return new(null, new MissingSource
            {
                Source = name,
                Error = limited.IsCancellationRequested ? $"no answer within {MaxTime.TotalSeconds} s"
                    : AuditTrail.TextOf(e),
            });
        }
    }
}
