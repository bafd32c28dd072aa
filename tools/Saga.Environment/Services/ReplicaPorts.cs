using Saga.Servers;

namespace Saga.Services;

/// <summary>The ports of a replica, on 127.0.0.1.</summary>
/// <param name="Grpc">For gRPC.</param>
/// <param name="Http">For JSON.</param>
/// <param name="Metrics">For metrics.</param>
/// <param name="Operations">For the methods for operators.</param>
public sealed record ReplicaPorts(int Grpc, int Http, int Metrics, int Operations)
{
    /// <summary>Picks free ports.</summary>
    /// <param name="first">The first of four preferred ports; 0 for any.</param>
    public static ReplicaPorts Pick(int first = 0)
    {
        return new(PickNext(0), PickNext(1), PickNext(2), PickNext(3));

        int PickNext(int offset) => Ports.Pick(first == 0 ? 0 : first + offset);
    }
}
