using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Saga.Twin;

/// <summary>A message in the outbox.</summary>
/// <param name="Id">The id by which the receiver recognises duplicates.</param>
/// <param name="Queue">The queue that receives it.</param>
/// <param name="Body">The message as JSON.</param>
readonly record struct OutgoingMessage(Guid Id, string Queue, byte[] Body)
{
    /// <summary>Makes a message with a new id.</summary>
    public static OutgoingMessage Create<TMessage>(string queue, TMessage message, JsonTypeInfo<TMessage> json) =>
        new(Guid.CreateVersion7(), queue, JsonSerializer.SerializeToUtf8Bytes(message, json));
}
