namespace Operations;

/// <summary>
/// Dead letters that were found. The texts of all can be large, and only those of the oldest are shown: beyond a limit,
/// messages are kept without their bodies, and each stack trace is kept once.
/// </summary>
sealed class FoundLetters
{
    /// <summary>The most characters of bodies and stack traces, two bytes each.</summary>
    public const int MaxText = 32 * 1024 * 1024;

    readonly List<DeadLetterMessage> _letters = [];
    readonly Dictionary<string, string> _traces = [];
    long _text;

    /// <summary>The messages, as they were found.</summary>
    public IReadOnlyList<DeadLetterMessage> Letters => _letters;

    /// <summary>Adds a message.</summary>
    public void Add(DeadLetterMessage letter)
    {
        var body = Fits(letter.Body.Length) ? letter.Body : "(too many messages to show this one)";
        if (!_traces.TryGetValue(letter.StackTrace, out var trace) && Fits(letter.StackTrace.Length))
            _traces[letter.StackTrace] = trace = letter.StackTrace;
        _letters.Add(letter with { Body = body, StackTrace = trace ?? "" });
    }

    bool Fits(int length)
    {
        if (_text + length > MaxText)
            return false;
        _text += length;
        return true;
    }
}
