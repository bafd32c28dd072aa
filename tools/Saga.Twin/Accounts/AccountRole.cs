namespace Saga.Twin;

/// <summary>The role <c>account</c>: holds the accounts, reserves funds and captures them.</summary>
static class AccountRole
{
    // Half-empty pages keep updates of a balance out of the indexes.
    const string Schema = """
        create table accounts (
            account_id uuid primary key,
            balance numeric(19,4) not null default 0 check (balance >= 0))
            with (fillfactor = 50);

        create table reservations (
            order_id uuid primary key,
            account_id uuid not null,
            amount numeric(19,4) not null,
            status text not null,
            create_time timestamptz not null default now(),
            update_time timestamptz not null default now());

        create table ledger_entries (
            entry_id bigint generated always as identity primary key,
            account_id uuid not null,
            order_id uuid, -- null for a deposit
            kind text not null,
            amount numeric(19,4) not null,
            create_time timestamptz not null default now());
        """;

    public static TwinRole Role { get; } = new(Schema, AddServices, app => app.MapGrpcService<AccountGrpcService>());

    static void AddServices(IServiceCollection services)
    {
        services.AddEndpoint<ReserveFunds, ReserveFundsHandler>();
        services.AddEndpoint<OrderConfirmed, OrderConfirmedHandler>();
    }
}
