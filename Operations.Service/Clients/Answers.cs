using System.Collections.Concurrent;
using Grpc.Core;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>
/// Collects the answers of Order, Account and the broker to one question. A source that cannot be reached, or is too
/// old for the question, does not make the question fail: it is named, and what the others answer is used.
/// </summary>
sealed class Answers
{
    public const string Order = "Order", Account = "Account", Broker = "RabbitMQ";

    readonly ConcurrentDictionary<string, string> _missing = new();

    /// <summary>The sources that have not answered.</summary>
    public IReadOnlyList<MissingSource> Missing =>
        [.. _missing.OrderBy(x => x.Key).Select(x => new MissingSource { Source = x.Key, Error = x.Value })];

    /// <summary>Whether a source has answered all that it was asked.</summary>
    public bool IsComplete(string source) => !_missing.ContainsKey(source);

    /// <summary>Waits for an answer; null if the source cannot be reached.</summary>
    public async Task<T?> OfAsync<T>(string source, Task<T> answer) where T : class
    {
        try
        {
            return await answer;
        }
        catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.Unimplemented)
        {
            _missing.TryAdd(source, e.Status.Detail);
            return null;
        }
    }

    /// <summary>Fails if a source has not answered.</summary>
    /// <exception cref="RpcException">UNAVAILABLE; the message names the sources.</exception>
    public void ThrowIfAnyMissing()
    {
        if (!_missing.IsEmpty)
            throw RpcErrors.Unavailable("SOURCE_MISSING", string.Join("; ", _missing.Values));
    }
}
