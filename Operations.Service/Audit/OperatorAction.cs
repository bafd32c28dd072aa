using Service.Defaults;

namespace Operations;

/// <summary>What an operator asks for, and why.</summary>
/// <param name="Name">The method of the API.</param>
/// <param name="Target">What it is applied to.</param>
/// <param name="Operator">Who asks.</param>
/// <param name="Reason">Why.</param>
sealed record OperatorAction(string Name, string Target, string Operator, string Reason)
{
    /// <summary>The longest text of each part.</summary>
    public const int MaxLength = 500;

    /// <summary>Checks the operator and the reason of a request.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: one is missing or too long.</exception>
    public static OperatorAction Read(string name, string target, string @operator, string reason)
    {
        var violations = new FieldViolations();
        foreach (var (field, value) in new[] { ("operator", @operator), ("reason", reason) })
            if (string.IsNullOrWhiteSpace(value))
                violations.Add(field, "is missing");
            else if (value.Length > MaxLength)
                violations.Add(field, $"must have at most {MaxLength} characters");
        violations.ThrowIfAny();
        return new OperatorAction(name, target.Length > MaxLength ? target[..MaxLength] : target, @operator, reason);
    }
}
