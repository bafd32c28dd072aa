using Service.Defaults;

namespace Orders;

/// <summary>A validated CreateOrder request.</summary>
/// <param name="AccountId">The paying account.</param>
/// <param name="Items">The ordered items.</param>
/// <param name="Total">The sum over the items.</param>
/// <param name="RequestId">The client's id of the request, or null.</param>
/// <param name="Caller">Who places the order.</param>
sealed record NewOrder(
    Guid AccountId, IReadOnlyList<OrderLine> Items, Money Total, Guid? RequestId, Caller Caller)
{
    const int MaxItems = 100;
    const int MaxSkuLength = 64;
    const int MaxQuantity = 1_000_000;

    /// <summary>Validates a request.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public static NewOrder Read(V1.CreateOrderRequest request, Caller caller)
    {
        var violations = new FieldViolations();
        var accountId = violations.Id(request.AccountId, "account_id");
        var requestId = violations.OptionalId(request.RequestId, "request_id");
        if (request.Items.Count is 0 or > MaxItems)
            violations.Add("items", $"must have 1 to {MaxItems} elements, not {request.Items.Count}");

        var lines = new List<OrderLine>();
        string? currency = null;
        var total = 0m;
        for (var i = 0; i < Math.Min(request.Items.Count, MaxItems); i++)
        {
            var (item, field) = (request.Items[i], $"items[{i}]");
            if (string.IsNullOrWhiteSpace(item.Sku) || IsTooLong(item.Sku) || item.Sku.Any(char.IsControl))
                violations.Add($"{field}.sku", $"must have 1 to {MaxSkuLength} characters and no control character");
            if (item.Quantity is < 1 or > MaxQuantity)
                violations.Add($"{field}.quantity", $"must be 1 to {MaxQuantity}");
            if (Money.Read(item.UnitPrice, $"{field}.unit_price", violations) is not { } price)
                continue;
            if (price.Currency != (currency ??= price.Currency))
                violations.Add($"{field}.unit_price.currency_code", $"must be {currency}, as in the items before it");
            total += price.Amount * Math.Clamp(item.Quantity, 0, MaxQuantity);
            lines.Add(new OrderLine(item.Sku, item.Quantity, price.Amount));
        }

        if (total > Money.Max)
            violations.Add("items", $"must not cost more than {Money.Max} in total");
        violations.ThrowIfAny();
        return new NewOrder(accountId, lines, new Money(total, currency!), requestId, caller);
    }

    /// <summary>The id under which the request is remembered, or null.</summary>
    public Guid? Remembered { get; } = Caller.Remember(RequestId);

    // AIP-210 counts Unicode code points. There are never more of them than UTF-16 code units.
    static bool IsTooLong(string sku) => sku.Length > MaxSkuLength && sku.EnumerateRunes().Count() > MaxSkuLength;

    /// <summary>Creates the order in the saga's initial state.</summary>
    public OrderState ToOrder(DateTime now) => new()
    {
        CorrelationId = OrderId.New(now),
        AccountId = AccountId,
        Items = Items,
        Total = Total.Amount,
        Currency = Total.Currency,
        Owner = Caller.Owner,
        PlacedBy = Caller.Subject,
        RequestId = Remembered,
        CreateTime = now,
        UpdateTime = now,
    };

    /// <summary>Returns true if the order was created from a request with the same content.</summary>
    public bool IsSameAs(OrderState order) =>
        order.AccountId == AccountId && order.Currency == Total.Currency && order.Items.SequenceEqual(Items);
}
