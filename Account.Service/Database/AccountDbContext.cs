using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace Accounts;

/// <summary>Account's database: accounts, reservations, the ledger, and the messages they send and have seen.</summary>
public sealed class AccountDbContext(DbContextOptions<AccountDbContext> options) : DbContext(options)
{
    /// <summary>The unique key of an account's id.</summary>
    public const string AccountKey = "pk_accounts";

    /// <summary>The unique key that makes a repeated OpenAccount find its account.</summary>
    public const string OpenRequestKey = "ix_accounts_request_id";

    /// <summary>The unique key that makes a repeated Deposit find its entry.</summary>
    public const string DepositRequestKey = "ix_ledger_entries_request_id";

    /// <summary>The accounts.</summary>
    public DbSet<Account> Accounts => Set<Account>();

    /// <summary>One for each order.</summary>
    public DbSet<Reservation> Reservations => Set<Reservation>();

    /// <summary>Every change of every balance.</summary>
    public DbSet<LedgerEntry> LedgerEntries => Set<LedgerEntry>();

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
            e.HasIndex(x => x.RequestId).IsUnique().HasFilter("request_id is not null").HasDatabaseName(OpenRequestKey);
        });
        modelBuilder.Entity<Reservation>(e =>
        {
            e.HasKey(x => x.OrderId);
            e.Property(x => x.OrderId).ValueGeneratedNever();
            e.Property(x => x.Currency).HasMaxLength(3).IsFixedLength();
            e.Property(x => x.Status).HasConversion<string>().HasMaxLength(10);
            e.Property(x => x.Reason).HasConversion<string>().HasMaxLength(20);
        });
        modelBuilder.Entity<LedgerEntry>(e =>
        {
            e.HasKey(x => x.EntryId);
            e.Property(x => x.Kind).HasConversion<string>().HasMaxLength(10);
            e.HasIndex(x => new { x.AccountId, x.EntryId });
            e.HasIndex(x => new { x.OrderId, x.Kind }).IsUnique().HasFilter("order_id is not null");
            e.HasIndex(x => x.RequestId).IsUnique().HasFilter("request_id is not null").HasDatabaseName(DepositRequestKey);
        });
        modelBuilder.AddTransactionalOutboxEntities();
    }

    /// <inheritdoc />
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.Properties<decimal>().HavePrecision(19, 4);
}
