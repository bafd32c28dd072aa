using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Service.Defaults;

/// <summary>Reads the keys of the issuer, which are kept for hours once they were read.</summary>
sealed class IssuerKeys(IOptionsMonitor<JwtBearerOptions> options)
{
    /// <exception cref="InvalidOperationException">They cannot be read.</exception>
    public Task<OpenIdConnectConfiguration> ReadAsync(CancellationToken cancellationToken) =>
        options.Get(JwtBearerDefaults.AuthenticationScheme).ConfigurationManager!
            .GetConfigurationAsync(cancellationToken);
}
