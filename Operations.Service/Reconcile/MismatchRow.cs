namespace Operations;

/// <summary>A mismatch that was found and still exists.</summary>
sealed class MismatchRow
{
    /// <summary>The order, or the account.</summary>
    public required Guid SubjectId { get; init; }

    /// <summary>In which way it does not match.</summary>
    public required MismatchKind Kind { get; init; }

    /// <summary>When it was found.</summary>
    public required DateTime FindTime { get; init; }

    /// <summary>A sentence.</summary>
    public required string Description { get; set; }
}
