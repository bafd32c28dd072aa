namespace Saga.Tests.Support.Model;

/// <summary>A row whose key the database generates, so that only SaveChanges can insert it.</summary>
public sealed class NumberedEffect
{
    public int Id { get; init; }

    public required string Name { get; init; }
}
