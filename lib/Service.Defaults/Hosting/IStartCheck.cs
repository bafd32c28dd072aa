namespace Service.Defaults;

/// <summary>Decides whether a service can run with its configuration, before it opens its ports.</summary>
interface IStartCheck
{
    /// <exception cref="StartException">It cannot.</exception>
    Task RunAsync(CancellationToken cancellationToken);
}
