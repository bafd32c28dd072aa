namespace Saga.Attack;

/// <summary>A replica's networks to the database server and to the broker.</summary>
sealed record ReplicaNetwork(TcpProxy Database, TcpProxy Broker);
