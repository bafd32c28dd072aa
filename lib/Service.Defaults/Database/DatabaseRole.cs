namespace Service.Defaults;

/// <summary>What a host has said about itself.</summary>
/// <param name="Timeline">
/// The server's timeline, eight hexadecimal digits, which each promotion increments; null if it does not accept writes.
/// </param>
/// <param name="Description">Whether it accepts them; if it does not, why.</param>
readonly record struct DatabaseRole(string? Timeline, string Description)
{
    /// <summary>Whether it has said nothing in time.</summary>
    public bool Hangs { get; init; }
}
