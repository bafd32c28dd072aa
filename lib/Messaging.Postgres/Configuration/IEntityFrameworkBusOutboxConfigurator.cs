namespace MassTransit;

/// <summary>Options of the messages that are sent outside consumers.</summary>
public interface IEntityFrameworkBusOutboxConfigurator : IBusOutboxConfigurator
{
    /// <summary>For compatibility; has no effect.</summary>
    int MessageDeliveryLimit { set; }

    /// <summary>How long one send may take before the message is left to recovery. Default: ten seconds.</summary>
    TimeSpan MessageDeliveryTimeout { get; set; }
}
