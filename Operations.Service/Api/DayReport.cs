using Google.Type;
using Operations.V1;
using Service.Defaults;
using Money = Google.Type.Money;

namespace Operations;

/// <summary>The method GetReport.</summary>
sealed class DayReport(ServiceClients services, TimeProvider time)
{
    /// <summary>Sums a day in both services, and checks invariant I1 at its end.</summary>
    public async Task<Report> ReadAsync(Date? day, CancellationToken cancellationToken)
    {
        if (day == null)
        {
            var today = time.UtcNow();
            day = new Date { Year = today.Year, Month = today.Month, Day = today.Day };
        }

        var request = new GetTotalsRequest { Day = day };
        var orders = await services.Orders.GetOrderTotalsAsync(request, cancellationToken: cancellationToken);
        var ledger = await services.Accounts.GetLedgerTotalsAsync(request, cancellationToken: cancellationToken);
        return new Report
        {
            Day = day,
            Orders = { orders.Totals },
            Ledger = { ledger.Totals },
            Violations =
            {
                ledger.Totals.Where(x => Amount(x.DepositsUntil)
                    != Amount(x.AvailableAfter) + Amount(x.HeldAfter) + Amount(x.CapturedAfter))
                    .Select(x => x.CurrencyCode),
            },
        };
    }

    static decimal Amount(Money? money) => money == null ? 0 : money.Units + money.Nanos / 1_000_000_000m;
}
