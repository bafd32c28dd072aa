namespace Messaging.Postgres.Database;

/// <summary>The state of the server at the other end of a connection.</summary>
enum ServerState
{
    /// <summary>The connection to it is lost.</summary>
    Lost,

    /// <summary>It accepts no writes, because a failover has demoted it.</summary>
    ReadOnly,

    /// <summary>It accepts writes.</summary>
    Writable,
}
