namespace Saga.Servers;

/// <summary>A broker that this process started.</summary>
public interface IStoppableBroker : IStoppable
{
    /// <summary>Raises or clears the memory alarm. The broker blocks all publishers while it is raised.</summary>
    Task SetMemoryAlarmAsync(bool isRaised);
}
