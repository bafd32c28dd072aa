using System.Text.Json.Serialization.Metadata;

namespace Saga.Twin;

/// <summary>Handles the messages of one queue.</summary>
interface IMessageHandler<T>
{
    /// <summary>The queue.</summary>
    string Queue { get; }

    /// <summary>The serializer of the queue's messages.</summary>
    JsonTypeInfo<T> Json { get; }

    /// <summary>Builds the statement for a batch of messages with different ids, some of them duplicates.</summary>
    HandledBatch Handle(IReadOnlyList<ReceivedMessage<T>> messages);
}
