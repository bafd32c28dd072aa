using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Operations;

/// <summary>Finds the place of a failure in its stack trace.</summary>
static partial class FaultPlace
{
    /// <summary>The namespaces of the services, then those of their libraries.</summary>
    static readonly string[][] Own = [["Orders.", "Accounts."], ["Messaging.", "Service.Defaults."]];

    /// <summary>Many messages fail at the same place.</summary>
    const int MaxKnown = 1000;

    static readonly ConcurrentDictionary<string, string> Known = new();

    /// <summary>
    /// The first method of a service in the stack trace, such as <c>Accounts.FundsStep.DecideAsync</c>; otherwise the
    /// first one of this system's libraries; otherwise nothing.
    /// </summary>
    public static string Find(string stackTrace)
    {
        if (Known.TryGetValue(stackTrace, out var known))
            return known;
        var place = Search(stackTrace);
        if (Known.Count >= MaxKnown)
            Known.Clear();
        return Known[stackTrace] = place;
    }

    static string Search(string stackTrace)
    {
        var methods = Frame().Matches(stackTrace).Select(x => MethodOf(x.Groups[1].Value)).ToList();
        return Own.Select(own => methods.Find(x => own.Any(y => x.StartsWith(y, StringComparison.Ordinal))))
            .FirstOrDefault(x => x != null) ?? "";
    }

    /// <summary>The method that the source has, without what the compiler has made of it.</summary>
    static string MethodOf(string frame) =>
        Local().Replace(StateMachine().Replace(Generic().Replace(frame, ""), ".$1"), "$1");

    [GeneratedRegex(@"^\s*at ([^\s(]+)", RegexOptions.Multiline)]
    private static partial Regex Frame();

    /// <summary>Such as <c>`1[T]</c> and <c>[T]</c>.</summary>
    [GeneratedRegex(@"`\d+|\[[^\]]*\]")]
    private static partial Regex Generic();

    /// <summary>Such as <c>.&lt;ConsumeAsync&gt;d__3.MoveNext</c>.</summary>
    [GeneratedRegex(@"[.+]<(\w+)>d(?:__\d+)?\.MoveNext$")]
    private static partial Regex StateMachine();

    /// <summary>
    /// Such as <c>&lt;&gt;c.&lt;ConsumeAsync&gt;b__3_0</c> and <c>&lt;ConsumeAsync&gt;g__Read|3_0</c>.
    /// </summary>
    [GeneratedRegex(@"(?:<>c(?:__DisplayClass\d+_\d+)?\.)?<(\w+)>[bg]__[\w|]*")]
    private static partial Regex Local();
}
