using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Saga.Fuzz;

/// <summary>
/// Makes the calls: valid requests of all methods, of which most are damaged in one way. The same seed and number make
/// the same call, apart from what the services have made: the ids of orders, page tokens, and tokens.
/// </summary>
sealed class CallPlan(int seed, KnownIds ids, FuzzCallers callers)
{
    const string GrpcContentType = "application/grpc", JsonContentType = "application/json";
    const string Timeout = "20S";

    static readonly Damage[] OfGrpc = Spread((Damage.None, 10), (Damage.Values, 8), (Damage.Body, 4), (Damage.Frame, 2),
        (Damage.Target, 1), (Damage.Headers, 2), (Damage.Token, 2), (Damage.Abort, 1));

    static readonly Damage[] OfJson = Spread((Damage.None, 8), (Damage.Values, 6), (Damage.Body, 6), (Damage.Target, 5),
        (Damage.Headers, 2), (Damage.Token, 2), (Damage.Abort, 1));

    static readonly string[] Verbs =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "SEARCH", "get", "X"];

    readonly ValidMessages _messages = new(ids);

    static Damage[] Spread(params (Damage Damage, int Share)[] shares) =>
        [.. shares.SelectMany(x => Enumerable.Repeat(x.Damage, x.Share))];

    /// <summary>Makes a call.</summary>
    /// <param name="number">Its number, from 1.</param>
    public FuzzCall Next(int number)
    {
        var random = new Random(Mix(seed, number));
        var method = FuzzMethod.All[random.Next(FuzzMethod.All.Count)];
        var caller = FuzzCallers.Pick(random);
        var valid = _messages.New(method, caller, random);
        var isGrpc = random.Next(2) == 0;
        var damages = isGrpc ? OfGrpc : OfJson;
        var damage = damages[random.Next(damages.Length)];
        var call = isGrpc ? NewGrpc(number, method, caller, valid, damage, random)
            : NewJson(number, method, caller, valid, damage, random);
        var authorization = damage == Damage.Token ? callers.Damaged(caller, random) : callers.HeaderOf(caller);
        if (authorization != null)
            call = call with { Headers = [("authorization", authorization), .. call.Headers] };
        return damage switch
        {
            Damage.Headers => OddHeaders.Add(call, random),
            Damage.Abort => call with { AbortAfter = TimeSpan.FromMicroseconds(random.Next(8000)) },
            _ => call,
        };
    }

    static FuzzCall NewGrpc(int number, FuzzMethod method, string caller, IMessage valid, Damage damage, Random random)
    {
        var bytes = (damage == Damage.Values ? MessageMutator.Mutate(valid, random) : valid).ToByteArray();
        if (damage == Damage.Body)
            bytes = WireMutator.Mutate(bytes, random);
        var (body, encoding) = damage == Damage.Frame
            ? WireMutator.MutateFrame(bytes, random) : (WireMutator.Frame(bytes), null);
        var (verb, path) = ("POST", method.GrpcPath);
        if (damage == Damage.Target)
            (verb, path) = random.Next(2) == 0 ? (Verbs[random.Next(Verbs.Length)], path)
                : (verb, PathMutator.Mutate(path, random));
        var call = new FuzzCall(number, method, caller, IsGrpc: true)
        {
            Damage = damage,
            IsHttp2 = damage != Damage.Target || random.Next(4) > 0,
            Verb = verb,
            Target = path,
            ContentType = GrpcContentType,
            Body = body,
            Headers = [("te", "trailers"), ("grpc-timeout", Timeout)],
        };
        return encoding == null ? call : call with { Headers = [.. call.Headers, ("grpc-encoding", Clean(encoding))] };
    }

    static FuzzCall NewJson(int number, FuzzMethod method, string caller, IMessage valid, Damage damage, Random random)
    {
        if (damage == Damage.Body && !method.HasBody)
            damage = Damage.Target;
        var isBodyDamaged = method.HasBody && damage is (Damage.Values or Damage.Body);
        var request = damage == Damage.Values && !method.HasBody ? MessageMutator.Mutate(valid, random) : valid;
        var (verb, target) = (method.Route.Verb, TargetOf(method, request, random));
        if (damage == Damage.Target)
            (verb, target) = random.Next(4) == 0 ? (Verbs[random.Next(Verbs.Length)], target)
                : (verb, PathMutator.Mutate(target, random));
        var json = method.HasBody ? JsonFormatter.Default.Format(request) : null;
        return new FuzzCall(number, method, caller, IsGrpc: false)
        {
            Damage = damage,
            IsHttp2 = random.Next(10) == 0,
            Verb = verb,
            Target = target,
            ContentType = json == null ? null : JsonContentType,
            Body = json == null ? null
                : isBodyDamaged ? JsonMutator.Mutate(json, random) : Encoding.UTF8.GetBytes(json),
        };
    }

    /// <summary>The path and the query of a request.</summary>
    static string TargetOf(FuzzMethod method, IMessage request, Random random)
    {
        var target = method.Route.Path;
        var query = new List<string>();
        foreach (var field in request.Descriptor.Fields.InDeclarationOrder())
        {
            var value = field.Accessor.GetValue(request);
            if (target.Contains($"{{{field.Name}}}", StringComparison.Ordinal))
                target = target.Replace($"{{{field.Name}}}", PathMutator.Escape((string)value),
                    StringComparison.Ordinal);
            else if (!method.HasBody && !IsDefault(field, value))
                query.Add($"{(random.Next(2) == 0 ? field.Name : field.JsonName)}="
                    + PathMutator.Escape(TextOf(field, value)));
        }

        return query.Count == 0 ? target : $"{target}?{string.Join('&', query)}";
    }

    static bool IsDefault(FieldDescriptor field, object? value) => value is null or "" or 0
        || (field.FieldType == FieldType.Enum && Convert.ToInt32(value, null) == 0);

    static string TextOf(FieldDescriptor field, object value) => field.FieldType == FieldType.Enum
        ? field.EnumType.FindValueByNumber(Convert.ToInt32(value, null))?.Name ?? $"{Convert.ToInt32(value, null)}"
        : value.ToString()!.Trim('"');

    /// <summary>A header cannot contain control characters, which end it.</summary>
    static string Clean(string value) => string.Concat(value.Where(x => !char.IsControl(x) && x < 128).Take(100));

    /// <summary>
    /// Seeds that follow each other would give similar random numbers (https://doi.org/10.1145/2714064.2660195).
    /// </summary>
    static int Mix(int seed, int number)
    {
        var x = unchecked(((ulong)(uint)seed << 32 | (uint)number) + 0x9E3779B97F4A7C15);
        x = unchecked((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9);
        x = unchecked((x ^ (x >> 27)) * 0x94D049BB133111EB);
        return (int)((x ^ (x >> 31)) & int.MaxValue);
    }
}
