using Saga.Services;

namespace Saga.Load;

/// <summary>
/// A program with the order flow of the services, to compare them with: two processes of it, one for each role.
/// </summary>
/// <param name="Folder">The folder of its project, relative to the repository.</param>
/// <param name="UnfinishedMessages">
/// The SQL expression that counts the messages that a role's database still has to send or to handle.
/// </param>
sealed record Peer(string Folder, string UnfinishedMessages)
{
    /// <summary>A minimal implementation, as a practical limit.</summary>
    public static Peer Twin { get; } = new("tools/Saga.Twin", "(select count(*) from outbox)");

    /// <summary>The same on Wolverine.</summary>
    public static Peer Wolverine { get; } = new("benchmarks/Saga.Wolverine", """
        (select count(*) from wolverine.wolverine_outgoing_envelopes)
            + (select count(*) from wolverine.wolverine_incoming_envelopes where status <> 'Handled')
            + (select count(*) from wolverine.wolverine_dead_letters)
        """);

    /// <summary>The name of the project and of the program.</summary>
    public string Name => Path.GetFileName(Folder);

    /// <summary>The name for readers.</summary>
    public string Title => Name["Saga.".Length..];

    /// <summary>The path of the project.</summary>
    public string Project => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ServicePrograms.BuildFile)!,
        "..", "..", Folder, $"{Name}.csproj"));

    /// <summary>The path of the program.</summary>
    /// <exception cref="InvalidOperationException">It has not been built.</exception>
    public string Program
    {
        get
        {
            // This program is in artifacts/bin/PROGRAM/CONFIGURATION, and so is the peer.
            var program = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", Name,
                ServicePrograms.Configuration, $"{Name}.dll"));
            return File.Exists(program) ? program
                : throw new InvalidOperationException($"{program} does not exist: run without --no-build");
        }
    }
}
