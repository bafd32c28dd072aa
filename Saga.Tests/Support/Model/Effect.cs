namespace Saga.Tests.Support.Model;

/// <summary>A row that a handler inserts; tests count the rows by name.</summary>
public sealed class Effect
{
    public int Id { get; init; }

    public required string Name { get; init; }
}
