using System.Globalization;
using System.Security.Cryptography;
using Messaging.Postgres;
using Microsoft.AspNetCore.DataProtection;

namespace Service.Defaults;

/// <summary>
/// Makes and reads page tokens, which reveal nothing (AIP-158): they are encrypted and authenticated with keys in the
/// service's database, which all replicas share. A token is valid only for requests with the same filter.
/// </summary>
public sealed class PageTokens(IDataProtectionProvider protection)
{
    const string Purpose = "page-token";

    /// <summary>Makes the token of the page that follows.</summary>
    /// <param name="position">The sort key of the last row of this page.</param>
    /// <param name="filter">The method and its filter.</param>
    public string Create<T>(T position, string filter) where T : struct, IFormattable =>
        protection.CreateProtector(Purpose, filter).Protect(position.ToString(null, CultureInfo.InvariantCulture));

    /// <summary>Reads the position after which a page begins; null for the first page.</summary>
    /// <param name="token">The field page_token of the request.</param>
    /// <param name="filter">The method and its filter.</param>
    /// <param name="violations">Receives a violation if the token is invalid or has another filter.</param>
    /// <exception cref="CryptographicException">The keys cannot be read from the database.</exception>
    public T? Read<T>(string? token, string filter, FieldViolations violations) where T : struct, IParsable<T>
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (string.IsNullOrEmpty(token))
            return null;
        try
        {
            return T.Parse(protection.CreateProtector(Purpose, filter).Unprotect(token), CultureInfo.InvariantCulture);
        }
        catch (CryptographicException e) when (!PostgresErrors.IsUnavailable(e))
        {
            violations.Add("page_token", "must be the next_page_token of a request with the same filter");
            return null;
        }
    }
}
