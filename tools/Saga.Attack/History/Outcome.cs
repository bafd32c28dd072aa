using System.Text.Json.Serialization;

namespace Saga.Attack;

/// <summary>The outcome of a request as its client knows it.</summary>
[JsonConverter(typeof(JsonStringEnumConverter))]
enum Outcome
{
    /// <summary>The service accepted the request.</summary>
    Ok,

    /// <summary>The service rejected the request, which must have no effect.</summary>
    Rejected,

    /// <summary>The client received no definite response; the request may have had its effect.</summary>
    Unknown,
}
