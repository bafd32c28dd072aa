namespace Service.Defaults;

/// <summary>Who may call an endpoint that shows nobody's data.</summary>
public enum EndpointAccess
{
    /// <summary>Everybody who reaches the port.</summary>
    Anonymous,

    /// <summary>Callers with a valid token, whatever its scopes.</summary>
    Authenticated,

    /// <summary>Nobody: it is not served.</summary>
    Off,
}
