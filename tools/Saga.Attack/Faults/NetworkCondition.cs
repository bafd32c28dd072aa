namespace Saga.Attack;

/// <summary>The condition of a simulated network.</summary>
enum NetworkCondition
{
    /// <summary>All data passes at once.</summary>
    Normal,

    /// <summary>Connections are closed, and new ones are rejected.</summary>
    Cut,

    /// <summary>Data to the server is held; data from the server passes.</summary>
    RequestsHeld,

    /// <summary>Data from the server is held; data to the server passes.</summary>
    ResponsesHeld,

    /// <summary>All data is delayed by 200 ms.</summary>
    Slow,
}
