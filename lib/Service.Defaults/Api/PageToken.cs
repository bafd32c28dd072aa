using System.Buffers.Text;
using System.IO.Hashing;
using System.Text;

namespace Service.Defaults;

/// <summary>The end of a page. The token is valid only for requests with the same filter.</summary>
/// <param name="Position">The sort key of the page's last row.</param>
public readonly record struct PageToken(string Position)
{
    /// <summary>Formats the token, which is opaque to clients (AIP-158).</summary>
    public string ToString(string filter) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{Hash(filter)}:{Position}"));

    /// <summary>Parses a token; returns false if it is invalid or belongs to another filter.</summary>
    internal static bool TryParse(string token, string filter, out PageToken parsed)
    {
        parsed = default;
        if (!Base64Url.IsValid(token))
            return false;
        var text = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token));
        var prefix = Hash(filter) + ":";
        if (!text.StartsWith(prefix, StringComparison.Ordinal))
            return false;
        parsed = new PageToken(text[prefix.Length..]);
        return true;
    }

    static string Hash(string filter) => Convert.ToHexStringLower(Crc32.Hash(Encoding.UTF8.GetBytes(filter)));
}
