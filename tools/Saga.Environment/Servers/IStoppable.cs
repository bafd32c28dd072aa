namespace Saga.Servers;

/// <summary>A server that this program started, and so may end and start again, with the data it has.</summary>
public interface IStoppable
{
    /// <summary>Ends it: by Int or Term in order, by Kill as in a crash.</summary>
    Task StopAsync(Signal signal);

    /// <summary>Starts it again on its data and its port, and waits until it takes connections.</summary>
    Task StartAsync(CancellationToken cancellationToken = default);

    /// <summary>Makes it stand still, with its connections open.</summary>
    Task PauseAsync();

    /// <summary>Lets it go on.</summary>
    Task ContinueAsync();
}

/// <summary>A broker that this program started.</summary>
public interface IStoppableBroker : IStoppable
{
    /// <summary>Raises the alarm of its memory, at which it takes no more messages from anybody, or ends it.</summary>
    Task SetAlarmAsync(bool raised);
}
