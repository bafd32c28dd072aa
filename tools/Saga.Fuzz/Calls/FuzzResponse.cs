using Google.Rpc;
using Grpc.Core;

namespace Saga.Fuzz;

/// <summary>What came back from a call.</summary>
sealed record FuzzResponse
{
    /// <summary>The HTTP status; 0 if there was no response.</summary>
    public int Http { get; init; }

    /// <summary>The gRPC status: of a gRPC call, or in the error of a JSON one; null if there is none.</summary>
    public StatusCode? Code { get; init; }

    /// <summary>The error with its details; null if it has none that can be read.</summary>
    public Google.Rpc.Status? Error { get; init; }

    /// <summary>The body; at most as much as is kept.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Why there was no response; null if there was one.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether the client gave the call up.</summary>
    public bool IsAborted { get; init; }

    /// <summary>The reason of the error.</summary>
    public string? Reason => Error?.GetDetail<ErrorInfo>()?.Reason;

    /// <summary>A short name of the status.</summary>
    public string Kind(bool isGrpc) => IsAborted ? "given up by the client" : Failure != null ? "no response"
        : isGrpc && Code is { } code ? $"gRPC {code}" : isGrpc ? $"gRPC, HTTP {Http}" : $"JSON {Http}";
}
