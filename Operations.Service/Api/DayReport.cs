using Google.Type;
using Operations.V1;
using Service.Defaults;

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
        // A day of millions of orders takes minutes; the services have their own, shorter limits.
        var deadline = System.DateTime.UtcNow + ServiceClients.MaxReplayTime;
        var orders = await services.Orders.GetOrderTotalsAsync(request, deadline: deadline,
            cancellationToken: cancellationToken);
        var ledger = await services.Accounts.GetLedgerTotalsAsync(request, deadline: deadline,
            cancellationToken: cancellationToken);
        return new Report
        {
            Day = day,
            Orders = { orders.Totals },
            Ledger = { ledger.Totals },
            Violations =
            {
                ledger.Totals.Where(x => x.DepositsUntil.DecimalValue
                    != x.AvailableAfter.DecimalValue + x.HeldAfter.DecimalValue + x.CapturedAfter.DecimalValue)
                    .Select(x => x.CurrencyCode),
            },
        };
    }
}
