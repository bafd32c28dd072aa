using Accounts.V1;
using Google.Api;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Orders.V1;

namespace Saga.Fuzz;

/// <summary>A method of a public API, in both of its forms.</summary>
/// <param name="Descriptor">The method.</param>
/// <param name="Rule">Its HTTP/JSON form.</param>
sealed record FuzzMethod(MethodDescriptor Descriptor, HttpRule Rule)
{
    /// <summary>All methods of both services, as their .proto files have them.</summary>
    public static readonly IReadOnlyList<FuzzMethod> All =
        [.. new[] { OrdersReflection.Descriptor, AccountsReflection.Descriptor }
            .SelectMany(x => x.Services).SelectMany(x => x.Methods).Select(x => new FuzzMethod(x,
                x.GetOptions()?.GetExtension(AnnotationsExtensions.Http)
                    ?? throw new NotSupportedException($"{x.FullName} has no HTTP/JSON form")))];

    /// <summary>Whether Order serves it; otherwise Account does.</summary>
    public bool IsOfOrder => Descriptor.File == OrdersReflection.Descriptor;

    /// <summary>Its name, such as <c>GetOrder</c>.</summary>
    public string Name => Descriptor.Name;

    /// <summary>The path of its gRPC form.</summary>
    public string GrpcPath => $"/{Descriptor.Service.FullName}/{Descriptor.Name}";

    /// <summary>Whether the body of its JSON form is the request.</summary>
    public bool HasBody => Rule.Body == "*";

    /// <summary>The verb and the template of the path of its JSON form.</summary>
    public (string Verb, string Path) Route => Rule.PatternCase switch
    {
        HttpRule.PatternOneofCase.Get => ("GET", Rule.Get),
        HttpRule.PatternOneofCase.Put => ("PUT", Rule.Put),
        HttpRule.PatternOneofCase.Post => ("POST", Rule.Post),
        HttpRule.PatternOneofCase.Delete => ("DELETE", Rule.Delete),
        HttpRule.PatternOneofCase.Patch => ("PATCH", Rule.Patch),
        _ => throw new NotSupportedException($"HTTP rule {Rule}"),
    };

    /// <summary>Makes an empty message.</summary>
    public static IMessage New(MessageDescriptor type) => (IMessage)Activator.CreateInstance(type.ClrType)!;
}
