using System.Globalization;

namespace Saga.Audit;

/// <summary>The counts and violations of one round of checks.</summary>
sealed class AuditFindings
{
    readonly Dictionary<string, string> _counts = [];
    readonly List<string> _violations = [];

    public IReadOnlyDictionary<string, string> Counts => _counts;

    public IReadOnlyList<string> Violations => _violations;

    /// <summary>Whether a message that is still being handled would explain all violations: those of I4 only.</summary>
    public bool MayBePending =>
        _violations.Count > 0 && _violations.TrueForAll(x => x.StartsWith("I4", StringComparison.Ordinal));

    public void Count(string name, long value) => Count(name, value.ToString("N0", CultureInfo.InvariantCulture));

    public void Count(string name, string value) => _counts[name] = value;

    public void Violated(string violation) => _violations.Add(violation);
}
