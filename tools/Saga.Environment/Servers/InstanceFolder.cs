using System.Globalization;

namespace Saga.Servers;

/// <summary>
/// The folder of one run: data, logs, and the processes it started. A run that was killed leaves its folder, by which
/// the next one ends what it left running.
/// </summary>
public sealed class InstanceFolder : IDisposable
{
    const string Prefix = "ordersaga-";
    readonly Lock _lock = new();

    InstanceFolder(string path) => Path = path;

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Makes a folder, after ending what killed runs have left.</summary>
    public static InstanceFolder Create()
    {
        RemoveLeftOvers();
        var path = Directory.CreateTempSubdirectory(Prefix).FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101); // the database's user walks through it
        File.WriteAllText(System.IO.Path.Combine(path, "owner"), Identity(Environment.ProcessId));
        return new InstanceFolder(path);
    }

    /// <summary>Makes a folder in the folder.</summary>
    public string Make(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    internal void Remember(int processId)
    {
        lock (_lock)
            File.AppendAllLines(System.IO.Path.Combine(Path, "children"), [Identity(processId)]);
    }

    /// <summary>Kills whatever it started that still runs, and deletes it.</summary>
    public void Dispose()
    {
        KillChildren(Path);
        Directory.Delete(Path, recursive: true);
    }

    static void RemoveLeftOvers()
    {
        foreach (var folder in new DirectoryInfo(System.IO.Path.GetTempPath()).GetDirectories($"{Prefix}*"))
            try
            {
                var owner = System.IO.Path.Combine(folder.FullName, "owner");
                if (!File.Exists(owner) || IsAlive(File.ReadAllText(owner)))
                    continue;
                KillChildren(folder.FullName);
                folder.Delete(recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another user's, or a process that is still ending: the next run meets it again.
                Console.Error.WriteLine($"{folder.FullName} is left of an earlier run and could not be removed: {e.Message}");
            }
    }

    static void KillChildren(string folder)
    {
        var children = System.IO.Path.Combine(folder, "children");
        foreach (var child in File.Exists(children) ? File.ReadAllLines(children) : [])
            while (IsAlive(child))
            {
                ChildProcess.Send(int.Parse(child.Split(' ')[0], CultureInfo.InvariantCulture), Signal.Kill);
                Thread.Sleep(20); // what it had open is closed when it is gone
            }
    }

    /// <summary>A process id with its start time, for ids are used again; a process that has ended has none.</summary>
    static string Identity(int processId) => $"{processId} {StartTime(processId)}";

    static bool IsAlive(string identity)
    {
        var id = int.Parse(identity.Split(' ')[0], CultureInfo.InvariantCulture);
        return StartTime(id) is { } start && identity == $"{id} {start}";
    }

    static string? StartTime(int processId)
    {
        try
        {
            // The 22nd field; the second is the name in brackets, which may hold anything.
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : fields[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // it has ended
        }
    }
}
