using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Operations.V1;
using Orders.V1;
using Saga.Servers;
using Service.Defaults;

namespace Saga.Tests.Defaults;

/// <summary>A service with a method for clients, and one for operators.</summary>
[TestFixture, Category("Integration")]
public sealed class When_a_service_has_an_operations_port
{
    readonly int _public = Ports.Pick(), _operations = Ports.Pick();
    WebApplication _service = null!;
    GrpcChannel _clients = null!, _operators = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _service = await StartAsync(_public, $"http://127.0.0.1:{_operations}");
        (_clients, _operators) = (Connect(_public), Connect(_operations));
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _clients.Dispose();
        _operators.Dispose();
        await _service.DisposeAsync();
    }

    [Test]
    public async Task Should_serve_clients_only_on_the_public_port()
    {
        Assert.That((await GetOrderAsync(_clients)).OrderId, Is.EqualTo("1"));
        Assert.That(() => GetOrderAsync(_operators), ThrowsUnimplemented);
    }

    [Test]
    public async Task Should_serve_operators_only_on_the_operations_port()
    {
        Assert.That((await GetStoryAsync(_operators)).Order.OrderId, Is.EqualTo("1"));
        Assert.That(() => GetStoryAsync(_clients), ThrowsUnimplemented);
    }

    [Test]
    public async Task Should_not_let_the_caller_choose_by_the_header_host()
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post,
            $"http://127.0.0.1:{_public}/operations.v1.OrderOperations/GetOrderStory")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Headers = { Host = $"127.0.0.1:{_operations}" },
            Content = new ByteArrayContent(new byte[5]) { Headers = { ContentType = new("application/grpc") } },
        };
        using var response = await http.SendAsync(request);
        Assert.That(response.Headers.GetValues("grpc-status").Single(), Is.EqualTo($"{(int)StatusCode.Unimplemented}"));
    }

    [Test]
    public async Task Should_not_show_the_methods_for_operators_by_reflection()
    {
        using var call = new ServerReflection.ServerReflectionClient(_clients).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new() { ListServices = "" });
        await call.ResponseStream.MoveNext(default);
        Assert.That(call.ResponseStream.Current.ListServicesResponse.Service.Select(x => x.Name),
            Does.Contain("orders.v1.OrderService").And.None.Contains("operations"));
        await call.RequestStream.CompleteAsync();
    }

    [TestCase("")]
    [TestCase("http://127.0.0.1:0")]
    public async Task Should_serve_operators_nowhere_without_a_port(string url)
    {
        var port = Ports.Pick();
        await using var service = await StartAsync(port, url);
        using var clients = Connect(port);
        Assert.That((await GetOrderAsync(clients)).OrderId, Is.EqualTo("1"));
        Assert.That(() => GetStoryAsync(clients), ThrowsUnimplemented);
        Assert.That(service.Urls, Has.Count.EqualTo(1));
    }

    static async Task<WebApplication> StartAsync(int port, string operationsUrl)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Configuration["Kestrel:Endpoints:Grpc:Url"] = $"http://127.0.0.1:{port}";
        builder.Configuration["Kestrel:Endpoints:Grpc:Protocols"] = "Http2";
        builder.Configuration["Operations:Url"] = operationsUrl;
        builder.Logging.ClearProviders();
        builder.Configuration["Authentication:Enabled"] = "false";
        builder.AddCallers();
        builder.AddOperations();
        builder.Services.AddGrpc();
        builder.Services.AddPublicReflection();
        var service = builder.Build();
        service.MapGrpcReflectionService();
        service.MapGrpcService<ForClients>();
        service.MapOperations<ForOperators>();
        await service.StartAsync();
        return service;
    }

    static GrpcChannel Connect(int port) => GrpcChannel.ForAddress($"http://127.0.0.1:{port}");

    static async Task<Order> GetOrderAsync(GrpcChannel channel) =>
        await new OrderService.OrderServiceClient(channel).GetOrderAsync(new() { OrderId = "1" });

    static async Task<OrderStory> GetStoryAsync(GrpcChannel channel) =>
        await new OrderOperations.OrderOperationsClient(channel).GetOrderStoryAsync(new() { OrderId = "1" });

    static NUnit.Framework.Constraints.IResolveConstraint ThrowsUnimplemented => Throws.TypeOf<RpcException>()
        .With.Property(nameof(RpcException.StatusCode)).EqualTo(StatusCode.Unimplemented);

    sealed class ForClients : OrderService.OrderServiceBase
    {
        public override Task<Order> GetOrder(GetOrderRequest request, ServerCallContext context) =>
            Task.FromResult(new Order { OrderId = request.OrderId });
    }

    sealed class ForOperators : OrderOperations.OrderOperationsBase
    {
        public override Task<OrderStory> GetOrderStory(GetOrderStoryRequest request, ServerCallContext context) =>
            Task.FromResult(new OrderStory { Order = new() { OrderId = request.OrderId } });
    }
}
