using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;

namespace Messaging.Postgres.Sagas;

/// <inheritdoc cref="RecentSagas{TSaga}" />
interface IRecentSagas
{
    /// <summary>Keeps a copy of what is inserted and committed, with the version that it has in the database.</summary>
    void Keep(EntityEntry inserted);
}

/// <summary>
/// An instance is often asked for soon after it was made, by the process that made it: it is handed out once, without a query, and for
/// half a minute. What was changed elsewhere meanwhile is told by its version when it is saved.
/// </summary>
sealed class RecentSagas<TSaga>(TimeProvider time) : IRecentSagas where TSaga : class, ISaga
{
    const int MaxSagas = 10_000;
    static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(30);

    readonly ConcurrentDictionary<Guid, (TSaga Instance, long Since)> _kept = new();
    readonly ConcurrentQueue<(Guid Id, long Since)> _byAge = new();
    bool? _fits;

    public void Keep(EntityEntry inserted)
    {
        if (inserted.Entity is not TSaga || !(_fits ??= inserted.Metadata.IsSelfContained() && inserted.Metadata.GetProperties().Any(x => x.IsConcurrencyToken)))
            return;
        while (_byAge.TryPeek(out var oldest) && (_byAge.Count >= MaxSagas || time.GetElapsedTime(oldest.Since) > MaxAge) && _byAge.TryDequeue(out oldest))
            if (_kept.TryGetValue(oldest.Id, out var old) && old.Since == oldest.Since)
                _kept.TryRemove(oldest.Id, out _);
        var values = inserted.CurrentValues.Clone();
        foreach (var property in values.Properties.Where(x => !x.ClrType.IsValueType))
            values[property] = property.GetValueComparer().Snapshot(values[property]); // its owner may change what it holds
        var copy = (TSaga)values.ToObject();
        var now = time.GetTimestamp();
        _kept[copy.CorrelationId] = (copy, now);
        _byAge.Enqueue((copy.CorrelationId, now));
    }

    /// <summary>What is kept of it, for one caller; or null.</summary>
    public TSaga? Take(Guid correlationId) =>
        _kept.TryRemove(correlationId, out var kept) && time.GetElapsedTime(kept.Since) <= MaxAge ? kept.Instance : null;
}

/// <summary>
/// An instance from memory led to nothing that its version would vouch for: the message is to be tried again with what is stored. A conflict
/// like any other; without an inner exception, which a retry policy might go by.
/// </summary>
sealed class UnconfirmedInstanceException(string what)
    : DbUpdateConcurrencyException($"The step is to be taken again on what is stored: on an instance that was kept in memory it {what}");

static class SagaModel
{
    /// <summary>Whether an instance can change contexts: no value that only its context knows, and no related entities.</summary>
    public static bool IsSelfContained(this IEntityType saga) =>
        !saga.GetNavigations().Any() && !saga.GetSkipNavigations().Any() && !saga.GetProperties().Any(x => x.IsShadowProperty());
}
