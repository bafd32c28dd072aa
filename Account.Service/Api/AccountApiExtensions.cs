using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Service.Defaults;

namespace Accounts;

/// <summary>Registers and maps the API of Account.</summary>
static class AccountApiExtensions
{
    /// <summary>Adds the parts of <see cref="AccountGrpcService" />.</summary>
    public static void AddAccountApi(this WebApplicationBuilder builder) => builder.Services.AddScoped<AccountLists>();

    /// <summary>Maps <see cref="AccountGrpcService" />, which also serves HTTP/JSON.</summary>
    public static void MapAccountApi(this WebApplication app) =>
        app.MapGrpcService<AccountGrpcService>().ValidateJson();
}
