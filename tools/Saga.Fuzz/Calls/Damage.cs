namespace Saga.Fuzz;

/// <summary>What is damaged in a call.</summary>
enum Damage
{
    /// <summary>Nothing: a method may reject the call only for a reason of business.</summary>
    None,

    /// <summary>Values of fields; the message can be read.</summary>
    Values,

    /// <summary>The bytes of the message, or the JSON of the body.</summary>
    Body,

    /// <summary>The frame of a gRPC message.</summary>
    Frame,

    /// <summary>The path, the query, or the verb.</summary>
    Target,

    /// <summary>The headers, among them the deadline and the content type.</summary>
    Headers,

    /// <summary>The token.</summary>
    Token,

    /// <summary>The client does not wait for the response.</summary>
    Abort,
}
