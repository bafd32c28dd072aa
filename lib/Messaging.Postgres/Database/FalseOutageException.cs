namespace Messaging.Postgres;

/// <summary>
/// A message has failed again and again as if the database were unavailable, for example with a TimeoutException, while
/// the database worked. So its handler is the cause, and more retries do not help.
/// </summary>
/// <param name="failures">How often the message has failed so in a row.</param>
/// <param name="last">The last failure.</param>
public sealed class FalseOutageException(int failures, Exception last) : Exception(
    $"The handler has failed {failures} times as if the database were unavailable, but the database works: "
    + last.Message, last);
