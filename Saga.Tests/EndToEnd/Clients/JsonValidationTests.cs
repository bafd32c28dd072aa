using System.IO.Compression;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Google.Rpc;
using Orders.V1;
using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

[TestFixture, Category("E2E")]
public sealed class When_a_json_request_is_invalid : SystemFixture
{
    const string RequestId = "0199f5a2-6c0e-7c4e-9d7e-0b1f3a5c7d9e";

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["AllowedHosts"] = "127.0.0.1;localhost",
    };

    [TestCase($"request_id={RequestId}", "request_id")]
    [TestCase($"requestId={RequestId}", "requestId")]
    [TestCase("x=1", "x")]
    public async Task Should_reject_an_order_with_query_parameters(string query, string field)
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Orders[0], $"/v1/orders?{query}", Order(account));
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { field }));
        Assert.That((await Orders.ListOrdersAsync(new ListOrdersRequest { AccountId = account })).Orders, Is.Empty);
    }

    [Test]
    public async Task Should_reject_a_deposit_with_query_parameters()
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Accounts[0],
            $"/v1/accounts/{account}:deposit?request_id={RequestId}",
            """{ "amount": { "currency_code": "EUR", "units": 5 } }""");
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { "request_id" }));
        await WaitForBalancesAsync(account, available: 100, held: 0, captured: 0);
    }

    [TestCase("/v1/orders?acount_id=1", "acount_id")]
    [TestCase("/v1/orders?status=FOO", "status")]
    [TestCase("/v1/orders?status=PENDING&status=CONFIRMED", "status")]
    [TestCase("/v1/orders?account_id=A&accountId=A", "accountId")]
    [TestCase("/v1/orders?page_size=abc", "page_size")]
    [TestCase("/v1/orders?page_size=99999999999", "page_size")]
    [TestCase("/v1/orders?page_size=1e0", "page_size")]
    [TestCase("/v1/orders?page_size=1.0", "page_size")]
    [TestCase("/v1/orders?page_size=1%00", "page_size")]
    [TestCase($"/v1/orders/{RequestId}?foo=1", "foo")]
    [TestCase($"/v1/orders/{RequestId}?order_id={RequestId}", "order_id")]
    [TestCase($"/v1/orders/{RequestId}:watch?x=1", "x")]
    public async Task Should_name_the_query_parameter(string path, string field)
    {
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.GetAsync(path);
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { field }));
    }

    [TestCase("/v1/orders", $$"""{ "account_id": "{{RequestId}}", "status": "PENDING" }""", "account_id", "status")]
    [TestCase("/v1/orders", """{ "pageSize": 1, "acount_id": 1 }""", "pageSize", "acount_id")]
    [TestCase($"/v1/orders/{RequestId}", $$"""{ "order_id": "{{RequestId}}" }""", "order_id")]
    [TestCase($"/v1/orders/{RequestId}:watch", """{ "order_id": 1 }""", "order_id")]
    [TestCase("/v1/orders", "{}", "request")]
    [TestCase("/v1/orders", "[]", "request")]
    [TestCase("/v1/orders", " ", "request")]
    [TestCase("/v1/orders", "account_id=1&status=PENDING", "request")]
    [TestCase("/v1/orders", """{ "\ud800": 1 }""", "request")]
    public async Task Should_reject_a_body_where_the_method_has_none(string path, string body, params string[] fields)
    {
        foreach (var contentType in (string?[])["application/json", "application/x-www-form-urlencoded", null])
            foreach (var isChunked in (bool[])[false, true])
            {
                using var response = await GetAsync(path, Encoding.UTF8.GetBytes(body), contentType, isChunked);
                Assert.That(await FieldsAsync(response), Is.EqualTo(fields));
            }
    }

    [Test]
    public async Task Should_reject_a_compressed_body_where_the_method_has_none()
    {
        using var body = new MemoryStream();
        await using (var gzip = new GZipStream(body, CompressionLevel.Fastest))
            await gzip.WriteAsync("""{ "status": "PENDING" }"""u8.ToArray());
        using var response = await GetAsync("/v1/orders", body.ToArray(), "application/json", isChunked: true, "gzip");
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { "request" }));
    }

    [Test]
    public async Task Should_not_read_more_of_a_body_than_a_request_may_have()
    {
        using var response = await GetAsync("/v1/orders", new byte[1_000_000], "application/json", isChunked: true);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("UNREADABLE_REQUEST"));
    }

    [TestCase("?account_id=")]
    [TestCase("?accountId=")]
    public async Task Should_accept_both_spellings_of_a_query_parameter(string query)
    {
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.GetAsync($"/v1/orders{query}{RequestId}&page_size=2&status=PENDING");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Should_reject_a_body_that_contradicts_the_path()
    {
        var (account, other) = (await OpenAccountAsync(100), await OpenAccountAsync(100));
        using var response = await PostAsync(System.Accounts[0], $"/v1/accounts/{account}:deposit",
            $$"""{ "account_id": "{{other}}", "amount": { "currency_code": "EUR", "units": 7 } }""");
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { "account_id" }));
        await WaitForBalancesAsync(account, available: 100, held: 0, captured: 0);
        await WaitForBalancesAsync(other, available: 100, held: 0, captured: 0);
    }

    [Test]
    public async Task Should_accept_a_body_that_repeats_the_path()
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Accounts[0], $"/v1/accounts/{account}:deposit",
            $$"""{ "account_id": "{{account}}", "amount": { "currency_code": "EUR", "units": 7 } }""");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        await WaitForBalancesAsync(account, available: 107, held: 0, captured: 0);
    }

    [Test]
    public async Task Should_take_the_letters_of_an_id_for_the_same_in_either_case()
    {
        var account = await OpenAccountAsync(100);
        var capitals = account.ToUpperInvariant();
        Assert.That(capitals, Is.Not.EqualTo(account), "an id of digits only proves nothing");
        using var response = await PostAsync(System.Accounts[0], $"/v1/accounts/{account}:deposit",
            $$"""{ "account_id": "{{capitals}}", "amount": { "currency_code": "EUR", "units": 7 } }""");
        var text = await response.Content.ReadAsStringAsync();
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), text);
        Assert.That(text, Does.Contain(account).And.Not.Contain(capitals));
        using var http = System.Accounts[0].NewHttpClient();
        Assert.That(await http.GetStringAsync($"/v1/accounts/{capitals}"), Does.Contain(account)
            .And.Not.Contain(capitals), "responses have small letters");

        var order = NewOrder(account, 1, requestId: RequestId);
        var first = await Orders.CreateOrderAsync(order);
        order.RequestId = RequestId.ToUpperInvariant();
        Assert.That(await Orders.CreateOrderAsync(order), Is.EqualTo(first), "it is the same request");
    }

    [Test]
    public async Task Should_accept_a_byte_order_mark()
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Orders[0], "/v1/orders", $"\uFEFF{Order(account)}");
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), await response.Content.ReadAsStringAsync());
    }

    [TestCase("""{ "account_id": "A", "accountId": "A", "items": [] }""", "accountId")]
    [TestCase("""{ "account_id": "A", "account_id": "A", "items": [] }""", "account_id")]
    [TestCase("""{ "account_id": 1, "items": [] }""", "account_id")]
    [TestCase("""{ "account_id": "A", "items": {} }""", "items")]
    [TestCase("""{ "account_id": "A", "items": [ { "quantity": "two" } ] }""", "items[0].quantity")]
    [TestCase("""{ "account_id": "A", "items": [ { "quantity": "2" } ] }""", "items[0].quantity")]
    [TestCase("""{ "account_id": "A", "items": [ { "quantity": 1 }, { "quantity": 1.5 } ] }""", "items[1].quantity")]
    [TestCase("""{ "account_id": "A", "items": [ { "unit_price": 5 } ] }""", "items[0].unit_price")]
    [TestCase("""{ "account_id": "A", "items": [ { "unit_price": { "unit": 5 } } ] }""", "items[0].unit_price.unit")]
    [TestCase("[]", "request")]
    [TestCase("{ nothing", "request")]
    [TestCase(" ", "request")]
    [TestCase("""{ "account_id": "\ud800" }""", "account_id")]
    [TestCase("""{ "\ud800": 1 }""", "request")]
    [TestCase("""{ "": 1 }""", "\"\"")]
    [TestCase("""{ "account_id": "A", "items": [ { "": 1 } ] }""", "items[0].\"\"")]
    public async Task Should_name_the_field_of_the_body(string json, string field)
    {
        using var response = await PostAsync(System.Orders[0], "/v1/orders", json);
        var (fields, text) = (await FieldsAsync(response), await response.Content.ReadAsStringAsync());
        Assert.That(fields, Is.EqualTo(new[] { field }));
        Assert.That(text, Does.Not.Contain("System.").And.Not.Contain("Google."),
            "a client must not see the names of .NET types");
    }

    [TestCase("x")]
    [TestCase("\U0001F34E")]
    [TestCase("-\U0001F34E")]
    public async Task Should_not_repeat_a_huge_name_of_a_field(string part)
    {
        var name = string.Concat(Enumerable.Repeat(part, 100_000));
        using var response = await PostAsync(System.Orders[0], "/v1/orders", $$"""{ "{{name}}": 1 }""");
        Assert.That(await FieldsAsync(response), Has.Exactly(1).StartsWith(part + part));
        Assert.That(await response.Content.ReadAsStringAsync(), Has.Length.LessThan(5000));
    }

    [TestCase("orders", "/v1/orders", "account_id", "items")]
    [TestCase("accounts", "/v1/accounts", "currency_code")]
    [TestCase("accounts", $"/v1/accounts/{RequestId}:deposit", "amount.currency_code", "amount")]
    public async Task Should_name_the_fields_that_an_empty_body_lacks(
        string service, string path, params string[] fields)
    {
        using var response = await PostAsync(
            service == "orders" ? System.Orders[0] : System.Accounts[0], path, "");
        Assert.That(await FieldsAsync(response), Is.SubsetOf(fields).And.Not.Empty);
    }

    [TestCase(null)]
    [TestCase("application/json")]
    [TestCase("application/x-www-form-urlencoded")]
    public async Task Should_accept_an_empty_body_where_the_path_has_all_fields(string? contentType)
    {
        var account = await OpenAccountAsync(100);
        System.Accounts[0].Send(Signal.Stop);
        try
        {
            var order = await PlaceOrderAsync(account, 1);
            var content = new ByteArrayContent([]);
            if (contentType != null)
                content.Headers.TryAddWithoutValidation("Content-Type", contentType);
            using var http = System.Orders[0].NewHttpClient();
            using var response = await http.PostAsync($"/v1/orders/{order}:cancel", content);
            var text = await response.Content.ReadAsStringAsync();
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), text);
            Assert.That(text, Does.Contain("CANCELLING"));
        }
        finally
        {
            System.Accounts[0].Send(Signal.Continue);
        }
    }

    [TestCase("""
        {
          "account_id": "ACCOUNT",
          "items": [{ "sku": "book", "quantity": 2, "unit_price": { "currency_code": "EUR", "units": "5" } }]
        }
        """)]
    [TestCase("""
        {
          "account_id": "ACCOUNT",
          "request_id": null,
          "items": [{ "sku": "book", "quantity": 2, "unit_price": { "currencyCode": "EUR", "units": 5 } }]
        }
        """)]
    public async Task Should_accept_what_protobuf_writes(string json)
    {
        var account = await OpenAccountAsync(100);
        using var response = await PostAsync(System.Orders[0], "/v1/orders", json.Replace("ACCOUNT", account));
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), await response.Content.ReadAsStringAsync());
        var id = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("orderId").GetString()!;
        Assert.That((await WaitForEndAsync(id)).Total.Units, Is.EqualTo(10));
    }

    [TestCase("application/json; charset=\"utf-8\"", HttpStatusCode.OK)]
    [TestCase("application/json; charset=UTF-8", HttpStatusCode.OK)]
    [TestCase("application/json; charset=\"utf\\-8\"", HttpStatusCode.OK)]
    [TestCase("application/json; charset=utf-8; charset=utf-16", HttpStatusCode.UnsupportedMediaType)]
    [TestCase("application/json; charset=utf-16", HttpStatusCode.UnsupportedMediaType)]
    [TestCase("application/json; charset=klingon", HttpStatusCode.UnsupportedMediaType)]
    public async Task Should_honour_or_reject_the_charset(string contentType, HttpStatusCode expected)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(Order(await OpenAccountAsync(100))));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.PostAsync("/v1/orders", content);
        Assert.That(response.StatusCode, Is.EqualTo(expected), await response.Content.ReadAsStringAsync());
    }

    [TestCase("text/plain", null)]
    [TestCase("application/x-www-form-urlencoded", null)]
    [TestCase("application/json; charset=\"\"", null)]
    [TestCase("nonsense", null)]
    [TestCase("application/json", "gzip")]
    public async Task Should_reject_other_content(string contentType, string? coding)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(Order(await OpenAccountAsync(100))));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        if (coding != null)
            content.Headers.ContentEncoding.Add(coding);
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.PostAsync("/v1/orders", content);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("UNREADABLE_REQUEST"));
    }

    [TestCase("application/json")]
    [TestCase("application/json; charset=klingon")]
    [TestCase("text/plain; charset=\"klingon\"")]
    public async Task Should_ignore_the_content_type_of_a_request_without_a_body(string contentType)
    {
        foreach (var isChunked in (bool[])[false, true])
            using (var response = await GetAsync("/v1/orders", [], contentType, isChunked))
                Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK),
                    await response.Content.ReadAsStringAsync());
    }

    [Test]
    public async Task Should_reject_text_that_is_not_utf_8()
    {
        var content = new ByteArrayContent([.. "{ \"account_id\": \""u8, 0xFF, .. "\" }"u8]);
        content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.PostAsync("/v1/orders", content);
        Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { "request" }));
    }

    [TestCase("DELETE", "/v1/orders", "GET, POST")]
    [TestCase("PUT", "/v1/orders", "GET, POST")]
    [TestCase("DELETE", $"/v1/orders/{RequestId}", "GET")]
    [TestCase("GET", $"/v1/orders/{RequestId}:cancel", "POST")]
    [TestCase("DELETE", $"/v1/orders/{RequestId}:cancel", "POST")]
    [TestCase("POST", $"/v1/orders/{RequestId}:watch", "GET")]
    [TestCase("PATCH", "/v1/orders/", "GET, POST")]
    public async Task Should_name_the_verbs_of_a_path(string verb, string path, string allowed)
    {
        using var http = System.Orders[0].NewHttpClient();
        using var request = new HttpRequestMessage(new HttpMethod(verb), path);
        using var response = await http.SendAsync(request);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        Assert.That(string.Join(", ", response.Content.Headers.Allow), Is.EqualTo(allowed));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("VERB_NOT_ALLOWED"));
    }

    [TestCase("/v1/order")]
    [TestCase($"/v1/orders/{RequestId}:ship")]
    [TestCase($"/v1/orders/{RequestId}/items")]
    [TestCase("/v1/orders//")]
    [TestCase("/v1//orders")]
    [TestCase($"/v1/orders/{RequestId}//")]
    public async Task Should_return_404_for_an_unknown_path(string path)
    {
        using var http = System.Orders[0].NewHttpClient();
        using var response = await http.GetAsync(path);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("UNKNOWN_PATH"));
    }

    [Test]
    public async Task Should_reject_an_unknown_host_as_every_other_error()
    {
        using var http = System.Orders[0].NewHttpClient();
        http.DefaultRequestHeaders.Host = "example.com";
        using (var response = await http.GetAsync("/v1/orders"))
            Assert.That(await FieldsAsync(response), Is.EqualTo(new[] { "request" }));
        using (var response = await RawCall.SendAsync(System.Orders[0].GrpcAddress,
            "/orders.v1.OrderService/ListOrders", RawCall.Frame([]), ("Host", "example.com")))
            Assert.That(RawCall.ReadError(response.Headers).Details.GetDetail<ErrorInfo>()?.Reason,
                Is.EqualTo("UNREADABLE_REQUEST"));
    }

    static string Order(string account) => $$"""
        {
          "account_id": "{{account}}",
          "items": [{ "sku": "book", "quantity": 1, "unit_price": { "currency_code": "EUR", "units": 1 } }]
        }
        """;

    static async Task<HttpResponseMessage> PostAsync(ServiceReplica replica, string path, string json)
    {
        using var http = replica.NewHttpClient();
        return await http.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));
    }

    async Task<HttpResponseMessage> GetAsync(
        string path, byte[] body, string? contentType, bool isChunked, string? coding = null)
    {
        using var http = System.Orders[0].NewHttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Content = new ByteArrayContent(body) };
        request.Headers.TransferEncodingChunked = isChunked;
        request.Headers.ExpectContinue = true; // a request that is rejected unread would lose its connection
        if (contentType != null)
            request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        if (coding != null)
            request.Content.Headers.ContentEncoding.Add(coding);
        return await http.SendAsync(request);
    }

    /// <summary>The fields that a response with INVALID_ARGUMENT names.</summary>
    static async Task<string[]> FieldsAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest), text);
        var error = JsonDocument.Parse(text).RootElement;
        Assert.That(error.GetProperty("code").GetInt32(), Is.EqualTo(3));
        var details = error.GetProperty("details").EnumerateArray().ToList();
        Assert.That(details.Select(x => x.GetProperty("@type").GetString()),
            Has.Exactly(1).EndsWith("google.rpc.ErrorInfo"));
        return [.. details.Where(x => x.TryGetProperty("fieldViolations", out _))
            .SelectMany(x => x.GetProperty("fieldViolations").EnumerateArray())
            .Select(x => x.GetProperty("field").GetString()!)];
    }
}
