using Microsoft.AspNetCore.Builder;
using Service.Defaults;

namespace Orders;

/// <summary>Registers and maps the API of Order.</summary>
static class OrderApiExtensions
{
    /// <summary>Adds the parts of <see cref="OrderGrpcService" />.</summary>
    public static void AddOrderApi(this WebApplicationBuilder builder) => builder.Services.AddScoped<OrderList>();

    /// <summary>Maps <see cref="OrderGrpcService" />, which also serves HTTP/JSON.</summary>
    public static void MapOrderApi(this WebApplication app) =>
        app.MapGrpcService<OrderGrpcService>().ValidateJson();
}
