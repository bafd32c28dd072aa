using Microsoft.AspNetCore.Builder;

namespace Orders;

/// <summary>Registers the methods for operators.</summary>
static class OrderOperationsExtensions
{
    /// <summary>Adds the parts of <see cref="OrderOperationsService" />.</summary>
    public static void AddOrderOperations(this WebApplicationBuilder builder) => builder.Services
        .AddScoped<OrderStories>().AddScoped<StuckOrders>().AddScoped<OrderRateQuery>()
        .AddScoped<OrderFactList>().AddScoped<OrderTotalsQuery>().AddScoped<HoldRelease>()
        .AddSingleton<Redrive>().AddSingleton<OrderExport>();
}
