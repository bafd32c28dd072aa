namespace Operations.Web;

/// <summary>Why an operator is not signed in.</summary>
enum SignInProblem
{
    /// <summary>The token is not valid.</summary>
    Token,

    /// <summary>The token lacks the scope of operators.</summary>
    Scope,

    /// <summary>The token could act at the services without a trace.</summary>
    Service,

    /// <summary>Browsers do not keep a cookie of the token's size.</summary>
    Size,

    /// <summary>The issuer has not signed in anybody.</summary>
    Issuer,
}
