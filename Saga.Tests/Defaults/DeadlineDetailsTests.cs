using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Service.Defaults;

namespace Saga.Tests.Defaults;

[TestFixture, Category("Unit")]
public sealed class When_a_deadline_passes_while_the_response_is_written
{
    [TestCase(StatusCode.DeadlineExceeded, true)]
    [TestCase(StatusCode.OK, false)]
    public async Task Should_add_details_to_the_status_in_the_trailers(StatusCode status, bool hasDetails)
    {
        var (_, trailers) = await CallAsync(async (context, response) =>
        {
            await response.StartAsync();
            context.Response.AppendTrailer("grpc-status", $"{(int)status}");
        });

        Assert.That(trailers.ContainsKey("grpc-status-details-bin"), Is.EqualTo(hasDetails));
    }

    [Test] // gRPC has chosen the headers, and the method writes its first message before gRPC completes the response
    public async Task Should_repeat_the_status_of_the_headers_after_the_messages()
    {
        var (headers, trailers) = await CallAsync(async (context, response) =>
        {
            context.Response.Headers["grpc-status"] = "4";
            context.Response.Headers["grpc-message"] = "Deadline Exceeded";
            await response.StartAsync();
            await context.Response.CompleteAsync();
            ((HeaderDictionary)context.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers)
                .IsReadOnly = true; // they are sent
        });

        Assert.That(headers.Keys, Is.EquivalentTo(new[] { "grpc-status", "grpc-message", "grpc-status-details-bin" }));
        Assert.That(trailers, Is.EquivalentTo(headers));
    }

    static async Task<(IHeaderDictionary Headers, IHeaderDictionary Trailers)> CallAsync(
        Func<HttpContext, Response, Task> method)
    {
        var context = new DefaultHttpContext();
        var response = new Response();
        context.Features.Set<IHttpResponseFeature>(response);
        context.Features.Set<IHttpResponseTrailersFeature>(new ResponseTrailers());
        context.Request.Headers["grpc-timeout"] = "1S";
        await new GrpcErrorFilter(x => method(x, response), NullLogger<GrpcErrorFilter>.Instance).InvokeAsync(context);
        return (response.Headers, context.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers);
    }

    sealed class Response : HttpResponseFeature
    {
        Func<Task> _starting = () => Task.CompletedTask;
        bool _hasStarted;

        public override bool HasStarted => _hasStarted;

        public override void OnStarting(Func<object, Task> callback, object state) => _starting = () => callback(state);

        public async Task StartAsync()
        {
            await _starting();
            _hasStarted = true;
        }
    }

    sealed class ResponseTrailers : IHttpResponseTrailersFeature
    {
        public IHeaderDictionary Trailers { get; set; } = new HeaderDictionary();
    }
}
