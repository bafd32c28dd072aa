using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;

namespace Service.Defaults;

/// <summary>
/// Separates the methods for operators from the API: each is found only on connections to its own port. The connection
/// decides, and nothing that a caller can choose, such as the header Host.
/// </summary>
sealed class OperationsPort : MatcherPolicy, IEndpointSelectorPolicy
{
    /// <summary>Marks an endpoint that only operators may call.</summary>
    public static readonly object Endpoint = new Marker();

    /// <summary>After all other policies, which leave out most candidates.</summary>
    public override int Order => int.MaxValue;

    /// <summary>Marks the connections to the operations port.</summary>
    public static ConnectionDelegate Mark(ConnectionDelegate next) => connection =>
    {
        connection.Features.Set(new Marker());
        return next(connection);
    };

    /// <summary>Whether only operators may call an endpoint.</summary>
    public static bool IsFor(Endpoint endpoint) => endpoint.Metadata.GetMetadata<Marker>() != null;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => true;

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        var isOperator = httpContext.Features.Get<Marker>() != null;
        for (var i = 0; i < candidates.Count; i++)
            if (candidates.IsValidCandidate(i) && IsFor(candidates[i].Endpoint) != isOperator)
                candidates.SetValidity(i, false);
        return Task.CompletedTask;
    }

    sealed class Marker;
}
