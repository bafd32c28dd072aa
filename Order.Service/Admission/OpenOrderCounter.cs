namespace Orders;

/// <summary>
/// Counts the open orders of all replicas, and those of each owner: those in the last snapshot of the database, plus
/// those that this replica has admitted or committed since.
/// </summary>
/// <param name="limit">The maximum number of open orders until the first snapshot.</param>
/// <param name="rejection">The rejection of calls beyond the limit.</param>
/// <param name="ownerShare">The part of the limit that one owner may use.</param>
/// <param name="ownerRejection">The rejection of an owner's calls beyond that.</param>
sealed class OpenOrderCounter(
    int limit, Rejection rejection, double ownerShare = 1, Rejection? ownerRejection = null)
{
    readonly Lock _lock = new();
    readonly HashSet<Guid> _inFlight = []; // orders whose calls have not ended
    readonly Dictionary<string, OwnerCount> _owners = [];
    long _open; // in the last snapshot, without the orders that were in flight then
    int _limit = limit;
    Rejection _rejection = rejection;
    int _admitted, _committed, _rejected; // calls since the last snapshot began

    /// <summary>
    /// True if a snapshot can be expected to find finished orders: because calls were rejected at the limit, or because
    /// this replica has committed many orders.
    /// </summary>
    public bool IsSnapshotDue
    {
        get
        {
            lock (_lock)
                return (_rejected > 0 && _limit > 0) || _committed >= Math.Max(1, _limit / 8);
        }
    }

    /// <summary>Admits a CreateOrder call until it is disposed, or returns null and counts the rejection.</summary>
    public Call? Admit(Guid orderId, string? owner, out Rejection? rejection)
    {
        lock (_lock)
        {
            rejection = FindRejection(owner);
            if (rejection != null)
                return null;
            _inFlight.Add(orderId);
            _admitted++;
            if (owner == null)
                return new Call(this, orderId, null);
            if (!_owners.TryGetValue(owner, out var count))
                _owners.Add(owner, count = new OwnerCount());
            count.InFlight++;
            return new Call(this, orderId, count);
        }
    }

    /// <summary>Returns and counts the rejection of a call, or returns null if a call can be admitted.</summary>
    /// <param name="owner">Who calls; null for anybody.</param>
    public Rejection? FindRejection(string? owner)
    {
        lock (_lock)
        {
            if (_open + _inFlight.Count + _committed >= _limit)
            {
                _rejected++;
                return _rejection;
            }

            // At least one, however small the limit is.
            return owner != null && _owners.TryGetValue(owner, out var count)
                && count.Total >= Math.Max(1, _limit * ownerShare) ? ownerRejection : null;
        }
    }

    /// <summary>
    /// Call this before counting the open orders in the database, without those in flight. The database counts orders
    /// committed before the snapshot; this counter counts orders in flight, committed or not. An order that is admitted
    /// and committed during the snapshot is counted twice until the next one.
    /// </summary>
    public Snapshot BeginSnapshot()
    {
        lock (_lock)
            return new Snapshot([.. _inFlight], _admitted, _committed, _rejected,
                [.. _owners.Select(x => (x.Key, x.Value.Committed))]);
    }

    /// <summary>Replaces the count with the one from the database.</summary>
    /// <param name="snapshot">The result of <see cref="BeginSnapshot" />.</param>
    /// <param name="open">The number of open orders in the database, without those that were in flight.</param>
    /// <param name="limit">The maximum number of open orders from now on.</param>
    /// <param name="rejection">The rejection of calls beyond the limit.</param>
    /// <param name="openOf">The number of these orders that each owner has, without those that are stuck.</param>
    public void EndSnapshot(Snapshot snapshot, long open, int limit, Rejection rejection,
        IReadOnlyDictionary<string, long>? openOf = null)
    {
        lock (_lock)
        {
            (_open, _limit, _rejection) = (open, limit, rejection);
            _admitted -= snapshot.Admitted;
            _committed -= snapshot.Committed;
            _rejected -= snapshot.Rejected;
            CountOwners(snapshot, openOf ?? new Dictionary<string, long>());
        }
    }

    void CountOwners(Snapshot snapshot, IReadOnlyDictionary<string, long> openOf)
    {
        foreach (var owner in openOf.Keys)
            _owners.TryAdd(owner, new OwnerCount());
        foreach (var (owner, committed) in snapshot.CommittedOf)
            _owners[owner].Committed -= committed;
        foreach (var (owner, count) in _owners)
        {
            count.Open = openOf.GetValueOrDefault(owner);
            if (count.Total == 0)
                _owners.Remove(owner);
        }
    }

    void End(Guid orderId, OwnerCount? owner, bool isCommitted)
    {
        lock (_lock)
        {
            _inFlight.Remove(orderId);
            if (owner != null)
            {
                owner.InFlight--;
                owner.Committed += isCommitted ? 1 : 0;
            }

            if (isCommitted)
                _committed++;
            else
                _admitted--;
        }
    }

    /// <summary>The state of the counter when a snapshot began.</summary>
    /// <param name="InFlight">The orders whose calls had not ended.</param>
    /// <param name="Admitted">The number of calls admitted since the previous snapshot.</param>
    /// <param name="Committed">The number of those calls that had committed their orders and ended.</param>
    /// <param name="Rejected">The number of calls rejected since the previous snapshot.</param>
    /// <param name="CommittedOf">The number of committed orders of each owner.</param>
    public sealed record Snapshot(Guid[] InFlight, int Admitted, int Committed, int Rejected,
        (string Owner, int Committed)[] CommittedOf);

    /// <summary>The open orders of an owner.</summary>
    internal sealed class OwnerCount
    {
        public long Open { get; set; } // in the last snapshot
        public int InFlight { get; set; }
        public int Committed { get; set; } // since the last snapshot began
        public long Total => Open + InFlight + Committed;
    }

    /// <summary>An admitted call, until it is disposed.</summary>
    public sealed class Call(OpenOrderCounter orders, Guid orderId, OwnerCount? owner) : IDisposable
    {
        bool _isCommitted, _hasEnded;

        /// <summary>Records that the order is committed.</summary>
        public void Committed() => _isCommitted = true;

        /// <summary>
        /// Records that the call has ended, or that its client no longer waits. An order that is committed later is
        /// counted by the next snapshot of the database. Can be called again, by any thread.
        /// </summary>
        public void Dispose()
        {
            if (!Interlocked.Exchange(ref _hasEnded, true))
                orders.End(orderId, owner, _isCommitted);
        }
    }
}
