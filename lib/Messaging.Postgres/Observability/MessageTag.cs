using System.Diagnostics;

namespace Messaging.Postgres.Observability;

/// <summary>The tag that all spans of a message have, so that the spans of one business object can be found.</summary>
/// <param name="Name">The name of the tag.</param>
/// <param name="ValueOf">
/// The id of the object that a message concerns, as text; an array of ids for several; null if there is none.
/// </param>
public sealed record MessageTag(string Name, Func<object, object?> ValueOf)
{
    /// <summary>Sets the tag; does nothing for a message that concerns no object.</summary>
    internal void Set(Activity span, object? value)
    {
        if (value != null)
            span.SetTag(Name, value);
    }
}
