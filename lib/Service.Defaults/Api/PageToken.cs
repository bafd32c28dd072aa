using System.Buffers.Text;
using System.IO.Hashing;
using System.Text;

namespace Service.Defaults;

/// <summary>Where a page ended: a position, bound to the filter it was made with.</summary>
/// <param name="Position">The sort key of the page's last row.</param>
public readonly record struct PageToken(string Position)
{
    /// <summary>The token as the API gives it; callers are to treat it as opaque (AIP-158).</summary>
    public string ToString(string filter) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{Hash(filter)}:{Position}"));

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
