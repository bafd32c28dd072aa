using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Reflection;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using GrpcService = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Service.Defaults;

/// <summary>gRPC reflection that shows the API, and not what only operators may call.</summary>
static class PublicReflection
{
    /// <summary>Adds reflection with both of its versions.</summary>
    public static void AddPublicReflection(this IServiceCollection services)
    {
        services.AddSingleton(x => new ReflectionServiceImpl(FindServices(x)));
        services.AddSingleton(x => new ReflectionV1ServiceImpl(FindServices(x)));
        services.AddGrpcReflection(); // keeps what is registered
    }

    static IEnumerable<GrpcService> FindServices(IServiceProvider services) =>
        services.GetRequiredService<EndpointDataSource>().Endpoints.Where(x => !OperationsPort.IsFor(x))
            .Select(x => x.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct()
            .Select(DescriptorOf).OfType<GrpcService>();

    /// <summary>The description in the class that was generated for a service; its base class names it.</summary>
    static GrpcService? DescriptorOf(Type service)
    {
        for (var type = service; type != null; type = type.BaseType)
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } generated)
                return (GrpcService?)generated.BindType
                    .GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null);
        return null;
    }
}
