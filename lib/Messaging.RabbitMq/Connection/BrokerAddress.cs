namespace Messaging.RabbitMq;

/// <summary>The address of a broker, or of the nodes of a cluster, which are tried in turn.</summary>
/// <param name="Nodes">For each node an address with the user, the password, the port and the virtual host.</param>
/// <param name="IsTls">Whether every connection is encrypted.</param>
sealed record BrokerAddress(IReadOnlyList<Uri> Nodes, bool IsTls)
{
    const int TlsPort = 5671;

    /// <summary>The user name; guest, as the broker's default, if the address has none.</summary>
    public string User => Uri.UnescapeDataString(UserInfo[0]);

    /// <summary>The password; null if the address has only a user name.</summary>
    public string? Password => UserInfo is [_, var password] ? Uri.UnescapeDataString(password) : null;

    /// <summary>
    /// Reads an address such as <c>amqps://user:password@host1:5671,host2/vhost</c>. The scheme amqps means TLS on any
    /// port, and so does port 5671.
    /// </summary>
    /// <exception cref="InvalidOperationException">The text is not such an address.</exception>
    public static BrokerAddress Parse(string? text)
    {
        var authority = (text ?? "").IndexOf("://", StringComparison.Ordinal) + 3;
        if (authority < 3 || text![..authority] is not ("amqp://" or "amqps://"))
            throw Invalid();
        var path = text.IndexOf('/', authority) is var slash and >= 0 ? slash : text.Length;
        var hosts = text.LastIndexOf('@', path - 1) + 1 is var at && at > authority ? at : authority;
        var isTls = text.StartsWith("amqps", StringComparison.Ordinal);
        var nodes = text[hosts..path].Split(',')
            .Select(x => $"{text[..hosts]}{x.Trim()}{text[path..]}")
            .Select(x => Uri.TryCreate(x, UriKind.Absolute, out var node) && node.Host != "" ? node : throw Invalid())
            .Select(x => x.Port > 0 ? x : new UriBuilder(x) { Port = isTls ? TlsPort : 5672 }.Uri).ToList();
        return new BrokerAddress(nodes, isTls || nodes.Exists(x => x.Port == TlsPort));

        static InvalidOperationException Invalid() => new("ConnectionStrings:RabbitMq is not set, or not an address "
            + "such as amqp://user:password@host:5672/ or amqps://user:password@host1,host2/vhost");
    }

    string[] UserInfo => Nodes[0].UserInfo is { Length: > 0 } info ? info.Split(':', 2) : ["guest", "guest"];
}
