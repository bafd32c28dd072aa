using Messaging.RabbitMq;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Service.Defaults;

/// <summary>Registers the settings of the broker.</summary>
static class BrokerExtensions
{
    /// <summary>The section of the configuration, and the name of the connection string.</summary>
    internal const string RabbitMq = "RabbitMq";

    /// <summary>
    /// Adds the <see cref="BrokerOptions" /> with the address <c>ConnectionStrings:RabbitMq</c>, which are checked at
    /// the start.
    /// </summary>
    public static void AddBroker(this IServiceCollection services)
    {
        services.AddOptions<BrokerOptions>().BindConfiguration(RabbitMq)
            .Configure<IConfiguration>((broker, configuration) =>
                broker.Address = configuration.GetConnectionString(RabbitMq));
        services.AddSingleton<IStartCheck, BrokerCheck>();
    }

    sealed class BrokerCheck(IOptions<BrokerOptions> options) : IStartCheck
    {
        public Task RunAsync(CancellationToken cancellationToken)
        {
            try
            {
                BrokerEndpoints.Check(options.Value);
                return Task.CompletedTask;
            }
            catch (InvalidOperationException e)
            {
                throw new StartException(e.Message);
            }
        }
    }
}
