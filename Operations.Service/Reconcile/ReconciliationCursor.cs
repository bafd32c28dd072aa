namespace Operations;

/// <summary>How far reconciliation has come with its orders, reservations or accounts.</summary>
sealed class ReconciliationCursor
{
    /// <summary>Orders, Reservations, Accounts, RecentOrders or RecentReservations.</summary>
    public required string Subject { get; init; }

    /// <summary>The last id that was checked in this round; empty at its beginning.</summary>
    public string AfterId { get; set; } = "";

    /// <summary>How many were checked in this round.</summary>
    public long CheckedInRound { get; set; }

    /// <summary>How many were checked in all rounds.</summary>
    public long Checked { get; set; }

    /// <summary>How many rounds have ended.</summary>
    public long Rounds { get; set; }

    /// <summary>When the last round ended.</summary>
    public DateTime? RoundTime { get; set; }

    /// <summary>When the last page was checked.</summary>
    public DateTime? CheckTime { get; set; }
}
