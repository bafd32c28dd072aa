using Microsoft.AspNetCore.Builder;
using Service.Defaults;

namespace Accounts;

/// <summary>Maps the API of Account.</summary>
static class AccountApiExtensions
{
    /// <summary>Maps <see cref="AccountGrpcService" />, which also serves HTTP/JSON.</summary>
    public static void MapAccountApi(this WebApplication app) =>
        app.MapGrpcService<AccountGrpcService>().ValidateJson();
}
