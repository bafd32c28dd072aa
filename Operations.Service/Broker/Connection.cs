using Google.Protobuf.WellKnownTypes;
using Operations.V1;

namespace Operations;

/// <summary>A connection to the broker, as its management API shows it.</summary>
/// <param name="ClientProperties">What the client has said about itself.</param>
/// <param name="ConnectedAt">When it was opened, in milliseconds since 1970.</param>
sealed record Connection(Connection.Client? ClientProperties, long ConnectedAt)
{
    static readonly string[] Services = ["Order.Service", "Account.Service"];

    /// <summary>The process of Order or Account that has opened it; null if it was another.</summary>
    public Replica? ToReplica() => ClientProperties is { Assembly: { } service } client && Services.Contains(service)
        ? new Replica
        {
            Service = service,
            Host = client.Hostname ?? "",
            ProcessId = client.ProcessId,
            Version = client.AssemblyVersion ?? "",
            ConnectTime = DateTimeOffset.FromUnixTimeMilliseconds(ConnectedAt).ToTimestamp(),
        } : null;

    /// <summary>What MassTransit says about its process.</summary>
    /// <param name="Assembly">The program.</param>
    /// <param name="AssemblyVersion">Its version.</param>
    /// <param name="Hostname">The machine, or the container.</param>
    /// <param name="ProcessId">The id of the process there.</param>
    public sealed record Client(string? Assembly, string? AssemblyVersion, string? Hostname, int ProcessId);
}
