namespace Saga.Servers;

/// <summary>A server that this process started and can stop, restart, pause and resume. It keeps its data.</summary>
public interface IStoppable
{
    /// <summary>Stops the server by a signal: Int or Term for a shutdown, Kill for a crash.</summary>
    Task StopAsync(Signal signal);

    /// <summary>Starts the server on its data and its port, and waits until it accepts connections.</summary>
    Task StartAsync(CancellationToken cancellationToken = default);

    /// <summary>Pauses the server; its connections stay open.</summary>
    Task PauseAsync();

    /// <summary>Resumes a paused server.</summary>
    Task ResumeAsync();
}
