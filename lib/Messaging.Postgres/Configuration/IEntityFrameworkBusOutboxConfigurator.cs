namespace MassTransit;

/// <summary>Options of the messages that are sent outside consumers.</summary>
public interface IEntityFrameworkBusOutboxConfigurator : IBusOutboxConfigurator
{
    /// <summary>The maximum number of messages to send at once. Default: 100.</summary>
    int MessageDeliveryLimit { set; }

    /// <summary>How long one send may take before the message is left to recovery. Default: ten seconds.</summary>
    TimeSpan MessageDeliveryTimeout { get; set; }
}
