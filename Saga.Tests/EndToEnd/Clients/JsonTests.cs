using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using Orders.V1;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_the_json_api_is_called : SystemFixture
{
    [Test]
    public async Task Should_place_read_and_reject_orders()
    {
        using var orders = System.Orders[0].NewHttpClient();
        using var accounts = System.Accounts[0].NewHttpClient();
        var account = await PostAsync(accounts, "/v1/accounts", new { currency_code = "EUR" });
        var id = account.GetProperty("accountId").GetString();
        await PostAsync(accounts, $"/v1/accounts/{id}:deposit", new { amount = Euros(100) });

        var order = await PostAsync(orders, "/v1/orders", new
        {
            account_id = id,
            items = new[] { new { sku = "book", quantity = 1, unit_price = Euros(30) } },
        });
        var orderId = order.GetProperty("orderId").GetString()!;
        await WaitForEndAsync(orderId);

        var read = await orders.GetFromJsonAsync<JsonElement>($"/v1/orders/{orderId}");
        Assert.That(read.GetProperty("status").GetString(), Is.EqualTo("CONFIRMED"));
        var watched = await orders.GetStringAsync($"/v1/orders/{orderId}:watch");
        Assert.That(watched, Does.Contain("CONFIRMED"));
        var listed = await orders.GetFromJsonAsync<JsonElement>($"/v1/orders?account_id={id}");
        Assert.That(listed.GetProperty("orders").GetArrayLength(), Is.EqualTo(1));
        var cancel = await orders.PostAsJsonAsync($"/v1/orders/{orderId}:cancel", new { });
        Assert.That(cancel.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        var bad = await orders.PostAsJsonAsync("/v1/orders", new { account_id = "x" });
        Assert.That(bad.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await bad.Content.ReadAsStringAsync(), Does.Contain("account_id").And.Contain("items"));
    }

    [TestCase(
        """{ "request_Id": "0199f5a2-6c0e-7c4e-9d7e-0b1f3a5c7d9e", "account_id": ACCOUNT, "items": [ITEM] }""",
        "request_Id")]
    [TestCase("""{ "account_id": ACCOUNT, "items": [ITEM, { "skus": "book" }] }""", "skus")]
    public async Task Should_reject_an_order_with_an_unknown_field(string json, string field)
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Orders[0], "/v1/orders", Order(json, account));
        var error = await ErrorAsync(response);
        Assert.That(error.GetProperty("message").GetString(), Does.Contain(field));
        Assert.That(error.GetProperty("details")[0].GetProperty("@type").GetString(),
            Does.EndWith("google.rpc.BadRequest"));
        Assert.That((await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account })).Orders, Is.Empty);
    }

    [Test]
    public async Task Should_reject_a_deposit_with_an_unknown_field()
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Accounts[0], $"/v1/accounts/{account}:deposit",
            """
            {
              "requestID": "0199f5a2-6c0e-7c4e-9d7e-0b1f3a5c7d9e",
              "amount": { "currency_code": "EUR", "units": 1 }
            }
            """);
        Assert.That((await ErrorAsync(response)).GetProperty("message").GetString(), Does.Contain("requestID"));
        await WaitForBalancesAsync(account, available: 100, held: 0, captured: 0);
    }

    [Test]
    public async Task Should_reject_an_unknown_field_in_utf_16()
    {
        var account = await OpenAccountAsync(100);
        var json = Order("""{ "request_Id": "", "account_id": ACCOUNT, "items": [ITEM] }""", account);
        using var response = await PostAsync(System.Orders[0], "/v1/orders", json, Encoding.Unicode);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
    }

    [TestCase("{ nothing")]
    [TestCase("""{ "items": {} }""")]
    [TestCase("")]
    public async Task Should_reject_malformed_requests(string json)
    {
        using var response = await PostAsync(System.Orders[0], "/v1/orders", json);
        Assert.That((await ErrorAsync(response)).GetProperty("message").GetString(), Is.Not.Empty);
    }

    [TestCase(500_000, HttpStatusCode.OK)]
    [TestCase(525_000, HttpStatusCode.RequestEntityTooLarge)]
    public async Task Should_accept_requests_of_up_to_half_a_megabyte(int spaces, HttpStatusCode expected)
    {
        var json = Order("""{ "account_id": ACCOUNT, "items": [ITEM] }""", await OpenAccountAsync(100));
        using var response = await PostAsync(System.Orders[0], "/v1/orders", new string(' ', spaces) + json);
        Assert.That(response.StatusCode, Is.EqualTo(expected));
    }

    [TestCase("/health/live")]
    [TestCase("/health/ready")]
    public async Task Should_report_healthy(string path)
    {
        using var http = System.Orders[0].NewHttpClient();
        Assert.That(await http.GetStringAsync(path), Is.EqualTo("Healthy"));
    }

    [Test]
    public async Task Should_serve_health_and_reflection_over_grpc()
    {
        var channel = System.Orders[0].Channel;
        var health = await new Health.HealthClient(channel).CheckAsync(new());
        Assert.That(health.Status, Is.EqualTo(HealthCheckResponse.Types.ServingStatus.Serving));
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        await call.ResponseStream.MoveNext(default);
        Assert.That(call.ResponseStream.Current.ListServicesResponse.Service.Select(x => x.Name),
            Does.Contain("orders.v1.OrderService"));
        await call.RequestStream.CompleteAsync();
    }

    static object Euros(long units) => new { currency_code = "EUR", units };

    static string Order(string json, string account) => json.Replace("ACCOUNT", $"\"{account}\"")
        .Replace("ITEM", """{ "sku": "book", "quantity": 1, "unit_price": { "currency_code": "EUR", "units": 30 } }""");

    static async Task<HttpResponseMessage> PostAsync(
        ServiceReplica replica, string path, string json, Encoding? encoding = null)
    {
        using var http = replica.NewHttpClient();
        http.DefaultRequestHeaders.ExpectContinue = true; // a request that is rejected unread would lose its connection
        return await http.PostAsync(path, new StringContent(json, encoding ?? Encoding.UTF8, "application/json"));
    }

    /// <summary>Reads the google.rpc.Status of a response, which must be INVALID_ARGUMENT.</summary>
    static async Task<JsonElement> ErrorAsync(HttpResponseMessage response)
    {
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        var error = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.That(error.GetProperty("code").GetInt32(), Is.EqualTo(3));
        return error;
    }

    static async Task<JsonElement> PostAsync(HttpClient http, string path, object body)
    {
        using var response = await http.PostAsJsonAsync(path, body);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }
}
