using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Service.Defaults;

/// <summary>Who calls a method: decides which accounts and orders it may see.</summary>
/// <param name="Owner">The owner of what the caller creates; null if authentication is off.</param>
/// <param name="IsAdministrator">Whether the caller may see what others own.</param>
public sealed record Caller(string? Owner, bool IsAdministrator)
{
    /// <summary>The maximum length of <see cref="Owner" />, which OpenID Connect sets for a subject.</summary>
    public const int MaxOwnerLength = 255;

    /// <summary>Everybody, if authentication is off.</summary>
    public static readonly Caller Anybody = new(null, IsAdministrator: true);

    /// <summary>
    /// Who calls, for the record: the subject of the token. It differs from <see cref="Owner" /> where several share an
    /// owner, such as a tenant. Null if authentication is off.
    /// </summary>
    public string? Subject { get; init; } = Owner;

    /// <summary>Whether the caller may see what somebody owns. What it may not see does not exist for it.</summary>
    /// <param name="owner">The owner; null for what was created without authentication.</param>
    public bool Sees(string? owner) => IsAdministrator || (owner != null && owner == Owner);

    /// <summary>
    /// The owner to which lists are limited; null if there is no limit.
    /// </summary>
    public string? Limit => IsAdministrator ? null : Owner;

    /// <summary>
    /// The id under which a request is remembered. Request ids are the caller's own: the same id of another caller is
    /// another request, and reveals nothing about the first.
    /// </summary>
    /// <param name="requestId">The client's id, or null.</param>
    /// <returns>A UUID of version 8: a hash of the owner and the id. Without an owner: the id itself.</returns>
    public Guid? Remember(Guid? requestId)
    {
        if (Owner == null || requestId is not { } id)
            return requestId;
        Span<byte> hashed = stackalloc byte[16 + Encoding.UTF8.GetMaxByteCount(MaxOwnerLength)];
        id.TryWriteBytes(hashed, bigEndian: true, out _);
        var length = 16 + Encoding.UTF8.GetBytes(Owner, hashed[16..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(hashed[..length], hash);
        var uuid = hash[..16];
        BinaryPrimitives.WriteUInt16BigEndian(uuid[6..], (ushort)(
            (BinaryPrimitives.ReadUInt16BigEndian(uuid[6..]) & 0x0FFF) | 0x8000)); // version 8, RFC 9562
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        return new Guid(uuid, bigEndian: true);
    }
}
