using System.Security.Cryptography;
using System.Text;
using Operations.V1;

namespace Operations;

/// <summary>What dead letters of one group have in common.</summary>
/// <param name="Kind">What has become of the messages.</param>
/// <param name="Queue">The queue to which they were sent.</param>
/// <param name="MessageType">Such as Contracts:ReserveFunds; empty if they cannot be read.</param>
/// <param name="ExceptionType">The type of the failure; empty if there was none.</param>
/// <param name="Place">The method of this system in which it failed; may be empty.</param>
/// <param name="Service">The service in whose outbox they are parked; otherwise empty.</param>
sealed record DeadLetterCause(DeadLetterKind Kind, string Queue, string MessageType, string ExceptionType,
    string Place, string Service = "")
{
    const int IdLength = 8;

    /// <summary>The cause in words, for the audit trail.</summary>
    public override string ToString() => string.Join(", ",
        new[] { $"{Kind}".ToLowerInvariant(), $"queue {Queue}", MessageType, ExceptionType, Place }
            .Where(x => x != ""));

    /// <summary>The name of the group: the same as long as the cause is the same.</summary>
    public string GroupId { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', Kind, Queue, MessageType, ExceptionType, Place, Service))))[..IdLength];
}
