using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Service.Defaults;

namespace Operations.Web;

/// <summary>Who uses the page in one browser tab.</summary>
sealed class Session(AuthenticationStateProvider authentication, NavigationManager navigation, TimeProvider time)
{
    CallerPrincipal? _holder;

    /// <summary>The operator; null where authentication is off.</summary>
    public string? Operator => _holder?.Caller.Subject;

    /// <summary>
    /// The name that an operator without a token has entered last, for the next action in the same browser tab.
    /// </summary>
    public string EnteredName { get; set; } = "";

    /// <summary>
    /// Whether the operator's token has not expired. If it has, the browser is sent to where operators sign in: the
    /// page's connection outlives the token with which it was opened.
    /// </summary>
    public async Task<bool> IsValidAsync()
    {
        _holder ??= (await authentication.GetAuthenticationStateAsync()).User as CallerPrincipal;
        if (_holder == null || time.GetUtcNow() < _holder.Expiry)
            return true;
        navigation.NavigateTo(SignInPage.PathTo(navigation.ToBaseRelativePath(navigation.Uri)), forceLoad: true);
        return false;
    }
}
