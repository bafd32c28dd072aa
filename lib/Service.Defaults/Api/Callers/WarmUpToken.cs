using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;

namespace Service.Defaults;

/// <summary>
/// The token with which a process calls itself to warm up: random, known to nobody else, and of an owner who owns
/// nothing.
/// </summary>
sealed class WarmUpToken
{
    readonly byte[] _bytes;
    readonly CallerPrincipal _holder = new(new ClaimsIdentity("WarmUp"), $"warm-up {Guid.NewGuid()}", "warm-up",
        Scopes.OfClients, DateTimeOffset.MaxValue);

    public WarmUpToken()
    {
        Value = Convert.ToHexString(RandomNumberGenerator.GetBytes(32));
        _bytes = Encoding.UTF8.GetBytes(Value);
    }

    public string Value { get; }

    /// <summary>Returns the holder if this is the token, otherwise null.</summary>
    public CallerPrincipal? Find(string token) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), _bytes) ? _holder : null;
}
