using Microsoft.EntityFrameworkCore;

namespace Saga.Wolverine;

/// <summary>The database of the role <c>account</c>.</summary>
public sealed class AccountContext(DbContextOptions<AccountContext> options) : DbContext(options)
{
    public const string Held = "Held";
    public const string Captured = "Captured";

    // Half-empty pages keep updates of a balance out of the indexes.
    public const string Schema = """
        create table accounts (
            account_id uuid primary key,
            balance numeric(19,4) not null check (balance >= 0))
            with (fillfactor = 50);

        create table reservations (
            order_id uuid primary key,
            account_id uuid not null,
            amount numeric(19,4) not null,
            status text not null,
            create_time timestamptz not null,
            update_time timestamptz not null)
            with (fillfactor = 70);

        create table ledger_entries (
            entry_id bigint generated always as identity primary key,
            account_id uuid not null,
            order_id uuid,
            kind text not null,
            amount numeric(19,4) not null,
            create_time timestamptz not null);
        """;

    public DbSet<Account> Accounts => Set<Account>();

    public DbSet<Reservation> Reservations => Set<Reservation>();

    public DbSet<LedgerEntry> LedgerEntries => Set<LedgerEntry>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Account>().Property(x => x.AccountId).ValueGeneratedNever();
        modelBuilder.Entity<Reservation>(e =>
        {
            e.HasKey(x => x.OrderId);
            e.Property(x => x.OrderId).ValueGeneratedNever();
        });
        modelBuilder.Entity<LedgerEntry>(e =>
        {
            e.HasKey(x => x.EntryId);
            e.Property(x => x.EntryId).UseIdentityAlwaysColumn();
        });
    }
}
