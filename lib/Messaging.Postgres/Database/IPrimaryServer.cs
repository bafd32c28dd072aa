using Npgsql;

namespace Messaging.Postgres;

/// <summary>
/// Knows which server has to be used now. A program whose database can move to another server registers one, so that
/// connections that are kept open are not used for longer than they should.
/// </summary>
public interface IPrimaryServer
{
    /// <summary>Whether an open connection leads to the server that has to be used now.</summary>
    bool IsCurrent(NpgsqlConnection connection);

    /// <summary>
    /// Closes the idle connections to that server, because it refuses writes, or because they are probably lost.
    /// </summary>
    void ClearPool();
}
