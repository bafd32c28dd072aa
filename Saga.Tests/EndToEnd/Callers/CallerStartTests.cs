using Grpc.Core;
using Orders.V1;
using Saga.Tests.EndToEnd.Environments;

namespace Saga.Tests.EndToEnd.Callers;

[TestFixture, Category("E2E")]
public sealed class When_a_service_starts_with_its_authentication
{
    [TestCase("Production", "Enabled", "false", "Authentication:Enabled is false", TestName = "off in production")]
    [TestCase("Production", "KeySet", "", "Authentication:Authority", TestName = "nobody to trust")]
    [TestCase("Development", "KeySet", "", "Authentication:Authority", TestName = "nobody to trust in development",
        Category = "Long")]
    [TestCase("Production", "Authority", "https://a.example", "Authentication:KeySet",
        TestName = "two to trust", Category = "Long")]
    [TestCase("Production", "KeySet", "missing.json", "missing.json", TestName = "no keys")]
    [TestCase("Production", "Issuer", "", "Authentication:Issuer", TestName = "no issuer", Category = "Long")]
    public async Task Should_refuse(string environment, string setting, string value, string expected)
    {
        await using var service = await StartedService.StartAsync("Order", x =>
        {
            x["ASPNETCORE_ENVIRONMENT"] = environment;
            x[$"Authentication__{setting}"] = value;
        });
        await service.WaitForExitAsync();
        Assert.That(service.LogLines("crit"), Has.One.Contains(expected));
    }

    [Test]
    public async Task Should_say_that_it_is_off()
    {
        await using var service = await StartedService.StartAsync("Order", x =>
        {
            x["ASPNETCORE_ENVIRONMENT"] = "Development";
            x["Authentication__Enabled"] = "false";
        });
        await service.Replica.WaitUntilReadyAsync();
        Assert.That(service.LogLines("warn"), Has.One.Contains("Authentication is off"));
        var list = await new OrderService.OrderServiceClient(service.Replica.AnonymousChannel)
            .ListOrdersAsync(new ListOrdersRequest());
        Assert.That(list.Orders, Is.Empty);
    }

    [Test]
    public async Task Should_be_unavailable_while_the_issuer_is_and_refuse_http_in_production()
    {
        await using (var service = await StartedService.StartAsync("Order", x =>
        {
            x["ASPNETCORE_ENVIRONMENT"] = "Development";
            x["Authentication__KeySet"] = "";
            x["Authentication__Authority"] = "http://127.0.0.1:9";
        }))
        {
            await service.Replica.WaitUntilReadyAsync();
            Assert.That(service.LogLines("warn"), Has.One.Contains("The issuer's keys cannot be read yet"));
            Assert.That(() => new OrderService.OrderServiceClient(service.Replica.Channel)
                .ListOrdersAsync(new ListOrdersRequest()).ResponseAsync, Throws.TypeOf<RpcException>()
                .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Unavailable));
        }

        await using var refused = await StartedService.StartAsync("Order", x =>
        {
            x["Authentication__KeySet"] = "";
            x["Authentication__Authority"] = "http://127.0.0.1:9";
        });
        await refused.WaitForExitAsync();
        Assert.That(refused.LogLines("crit"), Has.One.Contains("must begin with https"));
    }
}
