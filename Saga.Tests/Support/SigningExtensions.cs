using MassTransit;

namespace Saga.Tests.Support;

/// <summary>Sends messages in the name of a service, with an administrator's login.</summary>
static class SigningExtensions
{
    /// <summary>Gives all messages of a bus a user of the broker as their sender.</summary>
    public static void SignAs(this IRabbitMqBusFactoryConfigurator rabbit, string user)
    {
        rabbit.ConfigureSend(x => x.UseExecute(Sign));
        rabbit.ConfigurePublish(x => x.UseExecute(Sign));

        void Sign(SendContext send) => send.GetPayload<RabbitMqSendContext>().BasicProperties.UserId = user;
    }
}
