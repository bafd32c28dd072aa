using System.Security.Cryptography;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Saga.Servers;

namespace Saga.Services;

/// <summary>
/// Signs the tokens with which the tools and tests call the services that they start, by a key that only this process
/// has. The services read the public key from a file.
/// </summary>
public sealed class TokenIssuer : IDisposable
{
    /// <summary>The issuer that the tokens name.</summary>
    public const string Name = "https://issuer.ordersaga.example";

    /// <summary>The audience of the services.</summary>
    public const string Audience = "ordersaga";

    /// <summary>The scopes of a client, separated by spaces.</summary>
    public const string ClientScopes = "orders.read orders.write accounts.read accounts.open accounts.deposit";

    /// <summary>The scopes of an operator, separated by spaces.</summary>
    public const string OperatorScopes = $"{ClientScopes} admin";

    /// <summary>The scopes of Operations.Service, separated by spaces.</summary>
    public const string OperationsScopes = "admin operations";

    static readonly TimeSpan DefaultLifetime = TimeSpan.FromDays(1);

    readonly ECDsa _ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    readonly ECDsaSecurityKey _key;

    /// <summary>Makes a key.</summary>
    public TokenIssuer() => _key = new ECDsaSecurityKey(_ecdsa) { KeyId = $"tools-{Guid.NewGuid():n}" };

    /// <summary>The issuer of this process.</summary>
    public static TokenIssuer Instance { get; } = new();

    /// <summary>The public key, as a JSON Web Key Set.</summary>
    public string KeySet
    {
        get
        {
            var point = _ecdsa.ExportParameters(includePrivateParameters: false).Q;
            return $$"""
                {"keys":[{"kty":"EC","use":"sig","alg":"ES256","crv":"P-256","kid":"{{_key.KeyId}}",
                "x":"{{Base64UrlEncoder.Encode(point.X)}}","y":"{{Base64UrlEncoder.Encode(point.Y)}}"}]}
                """;
        }
    }

    /// <summary>Writes the public key to a folder, and returns the settings of a service that trusts it.</summary>
    public IReadOnlyDictionary<string, string> SettingsOf(InstanceFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var file = Path.Combine(folder.Path, $"{_key.KeyId}.json");
        if (!File.Exists(file))
            File.WriteAllText(file, KeySet);
        return new Dictionary<string, string>
        {
            ["Authentication__KeySet"] = file,
            ["Authentication__Issuer"] = Name,
        };
    }

    /// <summary>Signs a token and writes it to a file of a folder.</summary>
    /// <returns>The path of the file.</returns>
    public string WriteToken(InstanceFolder folder, string subject, string scopes)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var file = Path.Combine(folder.Path, $"{subject}-{_key.KeyId}.token");
        if (!File.Exists(file))
            File.WriteAllText(file, Sign(subject, scopes));
        return file;
    }

    /// <summary>Signs a token.</summary>
    /// <param name="subject">Who holds it.</param>
    /// <param name="scopes">Its scopes, separated by spaces.</param>
    /// <param name="lifetime">How long it is valid; negative for an expired one. A day by default.</param>
    /// <param name="audience">Its audience.</param>
    /// <param name="issuer">Its issuer.</param>
    /// <param name="tenant">The tenant of the holder; by default its own.</param>
    public string Sign(string subject, string scopes = ClientScopes, TimeSpan? lifetime = null,
        string audience = Audience, string issuer = Name, string? tenant = null)
    {
        var (now, valid) = (DateTime.UtcNow, lifetime ?? DefaultLifetime);
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = audience,
            NotBefore = now - TimeSpan.FromHours(1),
            IssuedAt = now - TimeSpan.FromHours(1),
            Expires = now + valid,
            Claims = new Dictionary<string, object>
            {
                ["sub"] = subject,
                ["scope"] = scopes,
                ["tenant"] = tenant ?? subject,
            },
            SigningCredentials = new SigningCredentials(_key, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <inheritdoc />
    public void Dispose() => _ecdsa.Dispose();
}
