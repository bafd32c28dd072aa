using System.Threading.Channels;

namespace Saga.Twin;

/// <summary>
/// Runs work in batches, one after the other: items that arrive while a batch runs join the next one. An item that
/// arrives while no batch runs starts at once.
/// </summary>
/// <param name="runBatch">Runs a batch of 1 to <see cref="MaxBatch" /> items, in the order of their arrival.</param>
sealed class Coalescer<T>(Func<IReadOnlyList<T>, Task> runBatch)
{
    /// <summary>The maximum number of items in a batch.</summary>
    public const int MaxBatch = 200;

    readonly Channel<T> _waiting = Channel.CreateUnbounded<T>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>Adds an item to the next batch.</summary>
    public void Add(T item) => _waiting.Writer.TryWrite(item);

    /// <summary>Runs batches until it is cancelled or a batch fails.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await _waiting.Reader.WaitToReadAsync(cancellationToken))
        {
            var batch = new List<T>();
            while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var item))
                batch.Add(item);
            await runBatch(batch);
        }
    }
}
