namespace Saga.Load;

/// <summary>What both databases have done and store.</summary>
/// <param name="Commits">The transactions.</param>
/// <param name="LogBytes">The write-ahead log of their servers, in bytes.</param>
/// <param name="DiskBytes">The sizes of the databases, in bytes.</param>
sealed record DatabaseUsage(long Commits, long LogBytes, long DiskBytes);
