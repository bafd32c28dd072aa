namespace Service.Defaults;

/// <summary>Settings of the operations port; section <c>Operations</c> of a service's configuration.</summary>
public sealed class OperationsOptions
{
    /// <summary>
    /// The address, such as <c>http://0.0.0.0:8082</c>, at which operators call the service by gRPC. Empty, or with
    /// port 0: not served.
    /// </summary>
    public string? Url { get; set; }
}
