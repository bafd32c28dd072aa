namespace Orders;

/// <summary>
/// How many orders are open, over all replicas: what the database had when it was looked at last, and what this replica has made since.
/// </summary>
/// <param name="limit">How many may be open until the first look.</param>
/// <param name="refusal">What calls past it are told.</param>
sealed class OpenOrderCounter(int limit, Rejection refusal)
{
    readonly Lock _lock = new();
    readonly HashSet<Guid> _inFlight = []; // orders whose calls have not ended
    long _open; // at the last look, without what was in flight then
    int _limit = limit;
    Rejection _refusal = refusal;
    int _admitted, _made, _refused; // calls, since the last look began

    /// <summary>Calls are refused for what is open, or many orders were made: of both, much has ended by now.</summary>
    public bool IsLookDue
    {
        get
        {
            lock (_lock)
                return (_refused > 0 && _limit > 0) || _made >= Math.Max(1, _limit / 8);
        }
    }

    /// <summary>Admits the call that makes an order, until that is disposed; null if it is refused, which is counted.</summary>
    public Call? Admit(Guid orderId, out Rejection? refusal)
    {
        lock (_lock)
        {
            refusal = FindRejection();
            if (refusal != null)
                return null;
            _inFlight.Add(orderId);
            _admitted++;
            return new Call(this, orderId);
        }
    }

    /// <summary>How a call is refused now, which is counted; null if it may be admitted.</summary>
    public Rejection? FindRejection()
    {
        lock (_lock)
        {
            if (_open + _inFlight.Count + _made < _limit)
                return null;
            _refused++;
            return _refusal;
        }
    }

    /// <summary>
    /// Before the database is asked how many are open but for those in flight. What was made before is committed, and in that count; what is
    /// in flight, committed or not, is counted here. Only what is admitted and committed meanwhile counts twice, until the next look.
    /// </summary>
    public Look BeginLook()
    {
        lock (_lock)
            return new Look([.. _inFlight], _admitted, _made, _refused);
    }

    /// <summary>The database has answered.</summary>
    /// <param name="look">As it began.</param>
    /// <param name="open">How many are open, without those that were in flight.</param>
    /// <param name="limit">How many may be, from now on.</param>
    /// <param name="refusal">What calls past it are told.</param>
    public void EndLook(Look look, long open, int limit, Rejection refusal)
    {
        lock (_lock)
        {
            (_open, _limit, _refusal) = (open, limit, refusal);
            (_admitted, _made, _refused) = (_admitted - look.Admitted, _made - look.Made, _refused - look.Refused);
        }
    }

    void End(Guid orderId, bool isMade)
    {
        lock (_lock)
        {
            _inFlight.Remove(orderId);
            if (isMade)
                _made++;
            else
                _admitted--;
        }
    }

    /// <summary>What was known when a look began.</summary>
    /// <param name="InFlight">Orders whose calls had not ended.</param>
    /// <param name="Admitted">Calls since the look before.</param>
    /// <param name="Made">Those of them that had made their orders and ended.</param>
    /// <param name="Refused">Calls that were sent away since the look before.</param>
    public sealed record Look(Guid[] InFlight, int Admitted, int Made, int Refused);

    /// <summary>A call that was admitted, until it is disposed.</summary>
    public sealed class Call(OpenOrderCounter orders, Guid orderId) : IDisposable
    {
        bool _isMade;

        /// <summary>The order is committed.</summary>
        public void Made() => _isMade = true;

        /// <summary>The call has ended.</summary>
        public void Dispose() => orders.End(orderId, _isMade);
    }
}
