namespace Saga.Simulation;

/// <summary>The connection was lost; the caller does not know whether the server ran the operation.</summary>
sealed class ConnectionLostException(string when) : Exception($"the connection was lost {when}");
