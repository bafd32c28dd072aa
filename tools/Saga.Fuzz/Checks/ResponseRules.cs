using System.Text;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;

namespace Saga.Fuzz;

/// <summary>What must hold for the response to every call, whatever the client has sent.</summary>
static class ResponseRules
{
    const string WholeRequest = "request";

    // Names of types, methods and files would tell an attacker what runs here.
    static readonly string[] Internals = ["System.", "Exception", "   at ", "Npgsql", "Google.Protobuf", "MassTransit"];

    // Kestrel answers by itself what it cannot read as HTTP, or not within its limits, and then has no body.
    static readonly int[] OfKestrel = [400, 414, 431];

    // How .NET's client reports that it does not send such headers, that Kestrel has reset such a stream, and that
    // Kestrel has closed a connection with more of a body, or of a first line, than it reads.
    const string TooLongHeaders = "headers length exceeded", Reset = "PROTOCOL_ERROR", Closed = "copying content",
        ClosedEarly = "while sending the request";
    const int MaxError = 10_000; // bytes: what a client has sent is not sent back
    const int MaxBody = 4 * 1024 * 1024; // bytes
    const int MaxTarget = 8 * 1024; // bytes: Kestrel's limit on the first line

    /// <summary>Returns what is wrong with a response; null if nothing is.</summary>
    public static string? FindFault(FuzzCall call, FuzzResponse response)
    {
        if (response.IsAborted)
            return null;
        if (IsOfKestrel(call, response))
            return null;
        if (response.Failure != null)
            return $"no response: {response.Failure}";
        if (response.Http >= 500 && response.Code != StatusCode.DeadlineExceeded)
            return $"HTTP {response.Http}: {Text(response)}";
        if (call.IsGrpc && response.Http == 200 && response.Code == null)
            return "no grpc-status";
        if (!call.IsGrpc && response.Http == 200 && response.Code != null)
            return $"HTTP 200 with grpc-status {response.Code}";
        return response.Code is StatusCode.OK || (response.Code == null && response.Http < 400)
            || (call.Verb == "HEAD" && response.Body.IsEmpty) ? null : FindFaultOfError(call, response);
    }

    static bool IsOfKestrel(FuzzCall call, FuzzResponse response) => response.Failure is { } failure
        ? (call.IsHttp2 && IsOddHttp(call) && (Has(failure, TooLongHeaders) || Has(failure, Reset)))
            || (!call.IsHttp2 && call.Body?.Length > MaxBody && Has(failure, Closed))
            || (!call.IsHttp2 && call.Target.Length > MaxTarget && Has(failure, ClosedEarly))
        : OfKestrel.Contains(response.Http) && response.Body.IsEmpty && response.Error == null && IsOddHttp(call);

    static bool IsOddHttp(FuzzCall call) =>
        call.Damage is Damage.Headers or Damage.Target or Damage.Token
            || (call.Damage == Damage.Values && !call.IsGrpc);

    static bool Has(string text, string part) => text.Contains(part, StringComparison.Ordinal);

    static string? FindFaultOfError(FuzzCall call, FuzzResponse response)
    {
        if (response.Error?.GetDetail<ErrorInfo>() is not { Reason.Length: > 0, Domain: "ordersaga" } info)
            return $"HTTP {response.Http}, {response.Code} without ErrorInfo: {Text(response)}";
        if (response.Error.CalculateSize() > MaxError)
            return $"an error of {response.Error.CalculateSize():N0} bytes";
        switch (response.Code)
        {
            case StatusCode.Internal or StatusCode.Unknown or StatusCode.DataLoss or StatusCode.Unavailable:
            case StatusCode.Unimplemented when !MayBeUnimplemented(call, info.Reason):
                return $"{response.Code}, {info.Reason}: {response.Error.Message}";
            case StatusCode.InvalidArgument:
                return FindFaultOfFields(call, response.Error);
        }

        return FindInternals(response.Error.Message);
    }

    static bool MayBeUnimplemented(FuzzCall call, string reason) => reason switch
    {
        "UNKNOWN_METHOD" or "VERB_NOT_ALLOWED" => call.Damage is Damage.Target or Damage.Headers,
        "UNSUPPORTED_COMPRESSION" => call.Damage is Damage.Frame or Damage.Headers,
        _ => false,
    };

    /// <summary>
    /// Every INVALID_ARGUMENT names a field. Only a body that is no message at all has none: its field is the request.
    /// </summary>
    static string? FindFaultOfFields(FuzzCall call, Google.Rpc.Status error)
    {
        var fields = error.GetDetail<BadRequest>()?.FieldViolations.Select(x => x.Field).ToList();
        if (fields is null or [] || fields.Contains(""))
            return $"INVALID_ARGUMENT without a field: {error.Message}";
        if (call is { IsGrpc: true, Damage: Damage.None or Damage.Values or Damage.Token }
            && (fields[0] == WholeRequest || fields.Find(x => !IsField(call.Method.Descriptor.InputType, x)) != null))
            return $"INVALID_ARGUMENT with the field {fields[0]}: {error.Message}";
        return FindInternals(error.Message);
    }

    static bool IsField(MessageDescriptor type, string path)
    {
        if (path == WholeRequest) // there are more violations than the error names
            return true;
        MessageDescriptor? message = type;
        foreach (var part in path.Split('.'))
        {
            if (message?.FindFieldByName(part.Split('[')[0]) is not { } field)
                return false;
            message = field.FieldType == FieldType.Message ? field.MessageType : null;
        }

        return true;
    }

    static string? FindInternals(string text) =>
        Internals.FirstOrDefault(x => Has(text, x)) is { } found
            ? $"the error contains {found}: {text}" : null;

    static string Text(FuzzResponse response) => Encoding.UTF8.GetString(response.Body.Span);
}
