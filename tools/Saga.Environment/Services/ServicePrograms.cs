namespace Saga.Services;

/// <summary>Locates a build of the services' programs.</summary>
public sealed class ServicePrograms
{
    readonly string _folder;

    ServicePrograms(string folder) => _folder = folder;

    /// <summary>The output of a build: ready soonest, but each start takes two seconds more.</summary>
    public static ServicePrograms Built { get; } = new("bin");

    /// <summary>The published output: compiled ahead of time, like the images.</summary>
    public static ServicePrograms Published { get; } = new("publish");

    /// <summary>The build configuration of this program, which the services share.</summary>
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
