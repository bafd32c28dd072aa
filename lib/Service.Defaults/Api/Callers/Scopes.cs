namespace Service.Defaults;

/// <summary>
/// The scopes of tokens (RFC 8693, claim <c>scope</c>); each is also the name of an authorization policy.
/// </summary>
public static class Scopes
{
    /// <summary>Reads the caller's orders.</summary>
    public const string ReadOrders = "orders.read";

    /// <summary>Places and cancels the caller's orders.</summary>
    public const string WriteOrders = "orders.write";

    /// <summary>Reads the caller's accounts, ledger entries and reservations.</summary>
    public const string ReadAccounts = "accounts.read";

    /// <summary>Opens accounts, which the caller then owns.</summary>
    public const string OpenAccounts = "accounts.open";

    /// <summary>Deposits money to the caller's accounts.</summary>
    public const string Deposit = "accounts.deposit";

    /// <summary>
    /// Extends the token's other scopes to what everybody owns, except that nobody spends from another's account. It
    /// also allows the methods for operators; at Order and Account, those that only read.
    /// </summary>
    public const string Administer = "admin";

    /// <summary>
    /// With <see cref="Administer" />: the methods for operators by which Order and Account change something. Only
    /// Operations.Service has it, which records who acts and why.
    /// </summary>
    public const string Operate = "operations";

    /// <summary>The scopes of a client.</summary>
    public static readonly IReadOnlyList<string> OfClients =
        [ReadOrders, WriteOrders, ReadAccounts, OpenAccounts, Deposit];

    /// <summary>All scopes.</summary>
    public static readonly IReadOnlyList<string> All = [.. OfClients, Administer, Operate];
}
