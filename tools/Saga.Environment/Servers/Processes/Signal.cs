namespace Saga.Servers;

/// <summary>A POSIX signal by its number on Linux.</summary>
public enum Signal
{
    /// <summary>Hang up; some servers read their configuration again.</summary>
    Hangup = 1,

    /// <summary>Interrupt; PostgreSQL's fast shutdown.</summary>
    Int = 2,

    /// <summary>Quit; PostgreSQL's immediate shutdown, which requires crash recovery at the next start.</summary>
    Quit = 3,

    /// <summary>Kill; cannot be handled by the process.</summary>
    Kill = 9,

    /// <summary>Terminate; a regular shutdown.</summary>
    Term = 15,

    /// <summary>Resume after <see cref="Stop" />.</summary>
    Continue = 18,

    /// <summary>Pause.</summary>
    Stop = 19,
}
