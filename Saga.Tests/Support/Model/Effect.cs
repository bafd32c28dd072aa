namespace Saga.Tests.Support.Model;

/// <summary>A row that a handler inserts; tests count the rows by name.</summary>
public sealed class Effect
{
    public Guid Id { get; init; } = Guid.NewGuid();

    public required string Name { get; init; }
}
