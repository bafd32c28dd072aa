using Microsoft.AspNetCore.Builder;
using Service.Defaults;

namespace Orders;

/// <summary>Maps the API of Order.</summary>
static class OrderApiExtensions
{
    /// <summary>Maps <see cref="OrderGrpcService" />, which also serves HTTP/JSON.</summary>
    public static void MapOrderApi(this WebApplication app) =>
        app.MapGrpcService<OrderGrpcService>().ValidateJson();
}
