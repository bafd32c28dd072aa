using Microsoft.Extensions.Caching.Memory;

namespace Service.Defaults;

/// <summary>
/// Remembers tokens that were found valid, because the check of a signature costs more than most calls. A token is
/// checked again after a minute, so a key that its issuer has withdrawn is used for no longer than that.
/// </summary>
sealed class TokenCache : IDisposable
{
    const int MaxTokens = 10_000; // of one to two kB

    static readonly TimeSpan MaxAge = TimeSpan.FromMinutes(1);

    readonly MemoryCache _tokens = new(new MemoryCacheOptions { SizeLimit = MaxTokens });

    /// <summary>Returns the holder of a token that was found valid, or null.</summary>
    public CallerPrincipal? Find(string token) => _tokens.Get<CallerPrincipal>(token);

    /// <summary>Remembers the holder of a valid token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="holder">Its holder.</param>
    /// <param name="lifetime">How long the token is valid.</param>
    public void Add(string token, CallerPrincipal holder, TimeSpan lifetime)
    {
        if (lifetime > TimeSpan.Zero)
            _tokens.Set(token, holder, new MemoryCacheEntryOptions
            {
                Size = 1,
                AbsoluteExpirationRelativeToNow = lifetime < MaxAge ? lifetime : MaxAge,
            });
    }

    public void Dispose() => _tokens.Dispose();
}
