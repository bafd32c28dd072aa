using System.Security.Cryptography;

namespace Saga.Servers;

/// <summary>
/// What Erlang nodes on this machine share: the port mapper (epmd) by which they find each other, and the home folder
/// with the cookie by which they trust each other. Nothing of it is the machine's default.
/// </summary>
sealed class ErlangNetwork : IAsyncDisposable
{
    readonly ChildProcess _portMapper;

    public ErlangNetwork(InstanceFolder folder)
    {
        var port = Ports.Pick();
        var home = folder.CreateSubfolder($"erlang-{port}");
        var cookie = Path.Combine(home, ".erlang.cookie");
        File.WriteAllText(cookie, RandomNumberGenerator.GetHexString(20));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(cookie, UnixFileMode.UserRead); // Erlang refuses a cookie that others can read
        Environment = new Dictionary<string, string>
        {
            ["HOME"] = home,
            ["ERL_EPMD_PORT"] = $"{port}",
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        };
        _portMapper = ChildProcess.Start(folder, $"epmd-{port}", ["epmd", "-port", $"{port}", "-address", "127.0.0.1"]);
    }

    /// <summary>The environment variables of its nodes.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Kills the port mapper.</summary>
    public ValueTask DisposeAsync() => _portMapper.DisposeAsync();
}
