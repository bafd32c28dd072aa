using Contracts;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Service.Defaults;

namespace Accounts;

/// <summary>Registers the handling of funds.</summary>
static class FundsExtensions
{
    /// <summary>Adds the message bus with the consumers of the funds' commands.</summary>
    public static void AddFunds(this WebApplicationBuilder builder)
    {
        builder.AddMessaging<AccountDbContext>(
            x =>
            {
                x.AddConsumer<ReserveFundsConsumer>();
                x.AddConsumer<ReleaseFundsConsumer>();
                x.AddConsumer<CaptureFundsConsumer>();
            },
            sendsTo: [FundsHandler.OrderQueue, FundsHandler.CapturesQueue],
            publishes:
            [
                typeof(FundsReserved), typeof(ReservationRejected), typeof(FundsReleased), typeof(FundsCaptured),
            ]);
        builder.Services.AddSingleton<FundsStep>().AddScoped<FundsHandler>();
        builder.Services.AddOptions<FundsOptions>().BindConfiguration("Funds")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddHostedService<OldHolds>().AddHostedService<HoldGauges>();
    }
}
