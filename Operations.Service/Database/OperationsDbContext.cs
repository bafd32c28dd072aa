using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Operations;

/// <summary>
/// The database of Operations: the audit trail, and how far reconciliation has come. What operators see of orders and
/// accounts comes from the services that own them.
/// </summary>
sealed class OperationsDbContext(DbContextOptions<OperationsDbContext> options)
    : DbContext(options), IDataProtectionKeyContext
{
    /// <summary>The audit trail.</summary>
    public DbSet<AuditEntry> AuditEntries => Set<AuditEntry>();

    /// <summary>How far reconciliation has come.</summary>
    public DbSet<ReconciliationCursor> Cursors => Set<ReconciliationCursor>();

    /// <summary>What reconciliation has found.</summary>
    public DbSet<MismatchRow> Mismatches => Set<MismatchRow>();

    /// <summary>The keys of the page tokens.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<AuditEntry>(e =>
        {
            e.HasKey(x => x.EntryId);
            e.Property(x => x.Outcome).HasConversion(new NamedEnumConverter<AuditOutcome>()).HasMaxLength(10);
        });
        modelBuilder.Entity<ReconciliationCursor>(e => e.ToTable("reconciliation_cursors").HasKey(x => x.Subject));
        modelBuilder.Entity<MismatchRow>(e =>
        {
            e.ToTable("mismatches").HasKey(x => new { x.SubjectId, x.Kind });
            e.Property(x => x.Kind).HasConversion(new NamedEnumConverter<MismatchKind>()).HasMaxLength(40);
            e.HasIndex(x => x.FindTime);
        });
    }
}
