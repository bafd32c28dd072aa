using Npgsql;
using Service.Defaults;

namespace Orders;

/// <summary>
/// Finds the orders of repeated requests while new orders are rejected. At most one query runs at a time, for all
/// requests that wait by then, so that an overload of repeated requests costs the database little.
/// </summary>
sealed class KnownRequests(PrimaryDatabase database)
{
    readonly Lock _lock = new();
    Dictionary<Guid, TaskCompletionSource<Guid?>> _waiting = [];
    bool _isRunning;

    /// <summary>Returns the order that was created with the request id, or null.</summary>
    public async Task<Guid?> FindOrderAsync(Guid requestId, CancellationToken cancellationToken)
    {
        TaskCompletionSource<Guid?>? result;
        bool start;
        lock (_lock)
        {
            if (!_waiting.TryGetValue(requestId, out result))
                _waiting.Add(requestId, result = new(TaskCreationOptions.RunContinuationsAsynchronously));
            (start, _isRunning) = (!_isRunning, true);
        }

        if (start)
            _ = Task.Run(RunAsync, CancellationToken.None);
        return await result.Task.WaitAsync(cancellationToken);
    }

    async Task RunAsync()
    {
        while (true)
        {
            Dictionary<Guid, TaskCompletionSource<Guid?>> batch;
            lock (_lock)
            {
                _isRunning = _waiting.Count > 0;
                if (!_isRunning)
                    return;
                (batch, _waiting) = (_waiting, []);
            }

            try
            {
                var found = await LostConnection.RepeatAsync(() => FindAsync([.. batch.Keys]));
                foreach (var (requestId, result) in batch)
                    result.SetResult(found.TryGetValue(requestId, out var orderId) ? orderId : null);
            }
            catch (Exception e)
            {
                foreach (var result in batch.Values)
                    result.SetException(e);
            }
        }
    }

    async Task<Dictionary<Guid, Guid>> FindAsync(Guid[] requestIds)
    {
        await using var connection = await database.OpenAsync(CancellationToken.None);
        await using var command = new NpgsqlCommand("""
            select request_id, order_id from unnest($1) as repeated (request_id) join orders using (request_id)
            union
            select request_id, order_id
            from unnest($1) as repeated (request_id) join archived_requests using (request_id)
            """, connection);
        command.Parameters.Add(new() { Value = requestIds });
        await using var rows = await command.ExecuteReaderAsync();
        var found = new Dictionary<Guid, Guid>();
        while (await rows.ReadAsync())
            found.Add(rows.GetGuid(0), rows.GetGuid(1));
        return found;
    }
}
