using Contracts;
using MassTransit;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Service.Defaults;

namespace Accounts;

/// <summary>The database of Account: accounts, reservations, the ledger, the inbox and the outbox.</summary>
public sealed class AccountDbContext(DbContextOptions<AccountDbContext> options)
    : DbContext(options), IDataProtectionKeyContext
{
    /// <summary>The primary key of an account.</summary>
    public const string AccountKey = "pk_accounts";

    /// <summary>The unique index that a repeated OpenAccount violates; it then finds the first account.</summary>
    public const string OpenRequestKey = "ix_accounts_request_id";

    /// <summary>The unique index that a repeated Deposit violates; it then finds the first entry.</summary>
    public const string DepositRequestKey = "ix_ledger_entries_request_id";

    /// <summary>The accounts.</summary>
    public DbSet<Account> Accounts => Set<Account>();

    /// <summary>The reservations, one per order.</summary>
    public DbSet<Reservation> Reservations => Set<Reservation>();

    /// <summary>The reservations with the archived ones, to be read only.</summary>
    public IQueryable<Reservation> AllReservations =>
        Reservations.FromSql($"select * from all_reservations").AsNoTracking();

    /// <summary>The ledger: every change of every balance, without those for archived reservations.</summary>
    public DbSet<LedgerEntry> LedgerEntries => Set<LedgerEntry>();

    /// <summary>The whole ledger, to be read only.</summary>
    public IQueryable<LedgerEntry> AllLedgerEntries =>
        LedgerEntries.FromSql($"select * from all_ledger_entries").AsNoTracking();

    /// <summary>The keys of the page tokens.</summary>
    public DbSet<DataProtectionKey> DataProtectionKeys => Set<DataProtectionKey>();

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>(e =>
        {
            e.ToTable("accounts", t =>
            {
                t.HasCheckConstraint("ck_accounts_available", "available >= 0");
                t.HasCheckConstraint("ck_accounts_held", "held >= 0");
            });
            e.HasKey(x => x.AccountId).HasName(AccountKey);
            e.Property(x => x.AccountId).ValueGeneratedNever();
            e.Property(x => x.Currency).HasMaxLength(3).IsFixedLength();
            e.Property(x => x.Owner).HasMaxLength(Caller.MaxOwnerLength);
            e.Property(x => x.OpenedBy).HasMaxLength(Caller.MaxOwnerLength);
            e.HasIndex(x => x.RequestId).IsUnique().HasFilter("request_id is not null").HasDatabaseName(OpenRequestKey);
            // The accounts that a caller may see.
            e.HasIndex(x => new { x.Owner, x.AccountId }).HasFilter("owner is not null");
        });
        modelBuilder.Entity<Reservation>(e =>
        {
            e.HasKey(x => x.OrderId);
            e.Property(x => x.OrderId).ValueGeneratedNever();
            e.Property(x => x.Currency).HasMaxLength(3).IsFixedLength();
            e.Property(x => x.Status).HasConversion(new NamedEnumConverter<ReservationStatus>()).HasMaxLength(10);
            e.Property(x => x.Reason).HasConversion(new NamedEnumConverter<RejectionReason>()).HasMaxLength(20);
            // The filters of ListReservations: status, account, or both.
            e.HasIndex(x => new { x.Status, x.OrderId });
            e.HasIndex(x => new { x.AccountId, x.Status, x.OrderId });
            // Those of them that a caller may see: others can name its account, any number of times.
            e.HasIndex(x => new { x.AccountId, x.OrderId })
                .HasFilter("status = 'Rejected' and reason <> 'AccountNotFound'")
                .HasDatabaseName("ix_reservations_rejected");
        });
        modelBuilder.Entity<LedgerEntry>(e =>
        {
            e.HasKey(x => x.EntryId);
            e.Property(x => x.Kind).HasConversion(new NamedEnumConverter<EntryKind>()).HasMaxLength(10);
            e.Property(x => x.DepositedBy).HasMaxLength(Caller.MaxOwnerLength);
            e.HasIndex(x => new { x.AccountId, x.EntryId });
            e.HasIndex(x => new { x.OrderId, x.Kind }).IsUnique().HasFilter("order_id is not null");
            e.HasIndex(x => x.RequestId).IsUnique().HasFilter("request_id is not null")
                .HasDatabaseName(DepositRequestKey);
            // GetLedgerTotals sums all deposits.
            e.HasIndex(x => x.EntryId).HasFilter("kind = 'Deposit'").HasDatabaseName("ix_ledger_entries_deposits");
        });
        modelBuilder.AddTransactionalOutboxEntities();
        modelBuilder.AddPausedQueues();
    }

    /// <inheritdoc />
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<decimal>().HavePrecision(19, 4);
}
