namespace Orders;

/// <summary>One item of an order.</summary>
/// <param name="Sku">The stock keeping unit: the article's id.</param>
/// <param name="Quantity">The number of units.</param>
/// <param name="UnitPrice">The price of one unit, in the order's currency.</param>
public sealed record OrderLine(string Sku, int Quantity, decimal UnitPrice);
