namespace Saga.Services;

/// <summary>Which build of the services' programs a process runs, and where that is.</summary>
public sealed class ServicePrograms
{
    readonly string _folder;

    ServicePrograms(string folder) => _folder = folder;

    /// <summary>As compiled by a build: nothing to wait for, and two seconds more to start.</summary>
    public static ServicePrograms Built { get; } = new("bin");

    /// <summary>As published: compiled ahead of time, like the images.</summary>
    public static ServicePrograms Published { get; } = new("publish");

    /// <summary>The build configuration of this program, and so of the services.</summary>
    public static string Configuration { get; } = Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));

    /// <summary>The MSBuild file that builds or publishes both services.</summary>
    public static string BuildFile => Path.Combine(Artifacts, "..", "tools", "Saga.Environment", "services.proj");

    // This program is in artifacts/bin/PROGRAM/CONFIGURATION.
    static string Artifacts => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", ".."));

    /// <summary>The path of a service's program.</summary>
    /// <param name="service">Order or Account.</param>
    /// <exception cref="InvalidOperationException">The program has not been built.</exception>
    public string Find(string service)
    {
        var program = Path.Combine(Artifacts, _folder, $"{service}.Service", Configuration, $"{service}.Service.dll");
        return File.Exists(program) ? program
            : throw new InvalidOperationException($"{program} does not exist: run ./build.sh --target=Publish");
    }
}
