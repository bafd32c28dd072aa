using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json.Serialization;

namespace Saga.Services;

/// <summary>Asks the development issuer for tokens; each is used for the rest of the process.</summary>
/// <param name="issuer">The address of the issuer.</param>
/// <param name="password">The password of its users.</param>
public sealed class DevelopmentTokens(Uri issuer, string password)
{
    readonly ConcurrentDictionary<string, Lazy<Task<string>>> _tokens = new();

    /// <summary>The address at which it gives tokens.</summary>
    public Uri Address { get; } = new(issuer, "connect/token");

    /// <summary>The password of its users.</summary>
    public string Password => password;

    /// <summary>Returns a token.</summary>
    /// <param name="user">alice, bob or operator.</param>
    /// <exception cref="HttpRequestException">The issuer cannot be reached, or the password is wrong.</exception>
    public Task<string> GetAsync(string user) =>
        _tokens.GetOrAdd(user, x => new Lazy<Task<string>>(() => RequestAsync(x))).Value;

    async Task<string> RequestAsync(string user)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "password",
            ["username"] = user,
            ["password"] = password,
        });
        using var response = await http.PostAsync(Address, form);
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<Response>())!.AccessToken;
    }

    sealed record Response([property: JsonPropertyName("access_token")] string AccessToken);
}
