using System.Text.Json;

namespace Saga.Servers;

/// <summary>
/// The rights of a user in docker/rabbitmq/definitions.json, by which the broker of compose is set up, too.
/// </summary>
/// <param name="Configure">A regular expression: the queues and exchanges that the user may declare and delete.</param>
/// <param name="Write">… that it may publish to, and bind.</param>
/// <param name="Read">… that it may consume, purge, and bind to.</param>
/// <param name="Tags">What it may do with the management API, separated by commas.</param>
public sealed record BrokerRights(string Configure, string Write, string Read, string Tags)
{
    static readonly JsonElement Root = Load();

    /// <summary>The rights of one of the users <c>orders</c>, <c>accounts</c> and <c>operations</c>.</summary>
    public static BrokerRights Of(string user)
    {
        var rights = Find("permissions", "user");
        var tags = Find("users", "name").GetProperty("tags").EnumerateArray().Select(x => x.GetString());
        return new BrokerRights(Text("configure"), Text("write"), Text("read"), string.Join(',', tags));

        JsonElement Find(string list, string key) =>
            Root.GetProperty(list).EnumerateArray().Single(x => x.GetProperty(key).GetString() == user);

        string Text(string name) => rights.GetProperty(name).GetString()!;
    }

    static JsonElement Load()
    {
        using var stream = typeof(BrokerRights).Assembly.GetManifestResourceStream("definitions.json")!;
        return JsonDocument.Parse(stream).RootElement;
    }
}
