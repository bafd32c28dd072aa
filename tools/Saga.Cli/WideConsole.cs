using Spectre.Console;

namespace Saga.Cli;

/// <summary>A console whose output to a file is not wrapped at 80 columns.</summary>
static class WideConsole
{
    /// <summary>Creates a console.</summary>
    /// <param name="columns">The width of lines in a file; that of a terminal is its own.</param>
    public static IAnsiConsole Create(int columns)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
            console.Profile.Width = columns;
        return console;
    }
}
