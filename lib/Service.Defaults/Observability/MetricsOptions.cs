namespace Service.Defaults;

/// <summary>Settings of the metrics; section <c>Metrics</c> of a service's configuration.</summary>
public sealed class MetricsOptions
{
    /// <summary>
    /// The address, such as <c>http://0.0.0.0:9464</c>, at which Prometheus reads the metrics under <c>/metrics</c>;
    /// nothing else is served there. Empty, or with port 0: the metrics are not served.
    /// </summary>
    public string? Url { get; set; }
}
