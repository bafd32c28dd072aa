using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Accounts;

/// <summary>Registers the methods for operators.</summary>
static class AccountOperationsExtensions
{
    /// <summary>Adds the parts of <see cref="AccountOperationsService" />.</summary>
    public static void AddAccountOperations(this WebApplicationBuilder builder) => builder.Services
        .AddScoped<ReservationStories>().AddSingleton<StuckHolds>().AddSingleton<ReservationFactList>()
        .AddSingleton<AccountChecks>().AddSingleton<EntryIds>().AddSingleton<EntryExport>()
        .AddSingleton<LedgerTotalsQuery>().AddSingleton<AccountLocks>();
}
