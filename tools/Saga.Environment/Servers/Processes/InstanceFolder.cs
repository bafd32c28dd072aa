using System.Diagnostics;
using System.Globalization;

namespace Saga.Servers;

/// <summary>
/// The folder of one run: data, logs, and the list of its child processes. If the run is killed, its keeper kills the
/// processes on the list. The folder stays, for who looks for the reason; the next run deletes it.
/// </summary>
public sealed class InstanceFolder : IDisposable
{
    const string Prefix = "ordersaga-", Children = "children";

    /// <summary>
    /// Waits for the end of standard input, which this process or its end closes, and kills what is on the list; the
    /// start time is field 22 of the line in /proc, and the twentieth after the name.
    /// </summary>
    const string Keeper = """
        cat; while read -r id start; do
            line=$(cat "/proc/$id/stat") && set -- ${line##*) } && [ "${20}" = "$start" ] && kill -9 "$id"
        done < "$0"
        """;

    readonly Lock _lock = new();
    readonly Process _keeper;

    InstanceFolder(string path)
    {
        Path = path;
        var start = new ProcessStartInfo("/usr/bin/setsid")
        {
            ArgumentList = { "sh", "-c", $"exec >/dev/null 2>&1; {Keeper}", System.IO.Path.Combine(path, Children) },
            RedirectStandardInput = true,
        };
        _keeper = Process.Start(start) ?? throw new InvalidOperationException("the keeper was not started");
    }

    /// <summary>The path of the folder.</summary>
    public string Path { get; }

    /// <summary>Creates a folder, and removes the folders and processes of killed runs.</summary>
    public static InstanceFolder Create()
    {
        RemoveOrphans();
        var path = Directory.CreateTempSubdirectory(Prefix).FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101); // the user postgres needs access to its subfolder
        File.WriteAllText(System.IO.Path.Combine(path, "owner"), Identity(Environment.ProcessId));
        return new InstanceFolder(path);
    }

    /// <summary>Creates a subfolder and returns its path.</summary>
    public string CreateSubfolder(string name) =>
        Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    internal void AddChild(int processId)
    {
        lock (_lock)
            File.AppendAllLines(System.IO.Path.Combine(Path, Children), [Identity(processId)]);
    }

    /// <summary>Has the keeper do what it does when this process ends.</summary>
    internal void Abandon()
    {
        _keeper.StandardInput.Close();
        _keeper.WaitForExit();
    }

    /// <summary>Kills the child processes that still run, and deletes the folder.</summary>
    public void Dispose()
    {
        Abandon();
        _keeper.Dispose();
        KillChildren(Path);
        Directory.Delete(Path, recursive: true);
    }

    static void RemoveOrphans()
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
                // Another user's folder, or a process that is still exiting: a later run tries again.
                Console.Error.WriteLine($"could not remove {folder.FullName}, left by an earlier run: {e.Message}");
            }
    }

    static void KillChildren(string folder)
    {
        var children = System.IO.Path.Combine(folder, Children);
        foreach (var child in File.Exists(children) ? File.ReadAllLines(children) : [])
            while (IsAlive(child))
            {
                ChildProcess.Send(int.Parse(child.Split(' ')[0], CultureInfo.InvariantCulture), Signal.Kill);
                Thread.Sleep(20); // its files stay open until it has exited
            }
    }

    /// <summary>A process id with its start time, because the system reuses ids.</summary>
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
            // Field 22 of the line. Field 2 is the name in parentheses, which may contain spaces and parentheses.
            var stat = File.ReadAllText($"/proc/{processId}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : fields[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // the process has exited
        }
    }
}
