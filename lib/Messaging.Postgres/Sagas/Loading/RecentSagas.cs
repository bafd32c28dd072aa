using System.Collections.Concurrent;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;

namespace Messaging.Postgres.Sagas;

/// <summary>
/// The instances that this process has inserted in the last half minute. The first message for an instance usually
/// follows soon, and finds the instance here without a query. Each instance is returned once; if another process has
/// changed it, its version shows that when it is saved.
/// </summary>
sealed class RecentSagas<TSaga>(TimeProvider time) : IRecentSagas where TSaga : class, ISaga
{
    const int MaxSagas = 10_000;
    static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(30);

    readonly ConcurrentQueue<(Guid Id, long Since)> _byAge = new();
    readonly ConcurrentDictionary<Guid, (TSaga Instance, long Since)> _sagas = new();
    bool? _canKeep;

    public void Keep(EntityEntry inserted)
    {
        if (inserted.Entity is not TSaga || !(_canKeep ??= CanKeep(inserted)))
            return;
        Evict();
        var copy = Copy(inserted);
        var now = time.GetTimestamp();
        _sagas[copy.CorrelationId] = (copy, now);
        _byAge.Enqueue((copy.CorrelationId, now));
    }

    /// <summary>Removes and returns an instance, or returns null.</summary>
    public TSaga? Remove(Guid correlationId) =>
        _sagas.TryRemove(correlationId, out var saga) && time.GetElapsedTime(saga.Since) <= MaxAge
            ? saga.Instance : null;

    static bool CanKeep(EntityEntry inserted) =>
        inserted.Metadata.IsSelfContained() && inserted.Metadata.GetProperties().Any(x => x.IsConcurrencyToken);

    static TSaga Copy(EntityEntry inserted)
    {
        var values = inserted.CurrentValues.Clone();
        foreach (var property in values.Properties.Where(x => !x.ClrType.IsValueType))
            // The original may change its objects.
            values[property] = property.GetValueComparer().Snapshot(values[property]);
        return (TSaga)values.ToObject();
    }

    void Evict()
    {
        while (_byAge.TryPeek(out var oldest)
            && (_byAge.Count >= MaxSagas || time.GetElapsedTime(oldest.Since) > MaxAge)
            && _byAge.TryDequeue(out oldest))
            if (_sagas.TryGetValue(oldest.Id, out var saga) && saga.Since == oldest.Since)
                _sagas.TryRemove(oldest.Id, out _);
    }
}
