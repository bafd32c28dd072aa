namespace Saga.Simulation;

/// <summary>A simulated service process, from its start to its end.</summary>
sealed class SimProcess(string name)
{
    public string Name => name;
    public bool HasExited { get; set; }
    public bool IsPaused { get; set; }
}
