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
        var context = new DefaultHttpContext();
        context.Features.Set<IHttpResponseFeature>(new StartedResponse());
        context.Features.Set<IHttpResponseTrailersFeature>(new ResponseTrailers());
        context.Request.Headers["grpc-timeout"] = "1S";

        await new GrpcErrorFilter(x =>
        {
            x.Response.AppendTrailer("grpc-status", $"{(int)status}");
            return Task.CompletedTask;
        }, NullLogger<GrpcErrorFilter>.Instance).InvokeAsync(context);

        var trailers = context.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers;
        Assert.That(trailers.ContainsKey("grpc-status-details-bin"), Is.EqualTo(hasDetails));
    }

    sealed class StartedResponse : HttpResponseFeature
    {
        public override bool HasStarted => true;
    }

    sealed class ResponseTrailers : IHttpResponseTrailersFeature
    {
        public IHeaderDictionary Trailers { get; set; } = new HeaderDictionary();
    }
}
