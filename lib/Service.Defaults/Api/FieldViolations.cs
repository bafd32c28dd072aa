using Google.Protobuf.WellKnownTypes;
using Google.Rpc;

namespace Service.Defaults;

/// <summary>Collects the bad fields of a request. The error names the first ten and counts the others.</summary>
public sealed class FieldViolations
{
    // A gRPC response has the violations in its headers, and proxies such as nginx accept 4 KB of headers by default.
    // The message is there twice.
    const int MaxReported = 10;
    const int MaxMessageLength = 300;
    const int UuidLength = 36;
    const int DefaultPageSize = 50;
    const int MaxPageSize = 1000;

    readonly BadRequest _badRequest = new();

    /// <summary>The number of violations.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a violation.</summary>
    /// <param name="field">The path of the field, such as <c>items[0].sku</c>.</param>
    /// <param name="description">The rest of a sentence that begins with the field.</param>
    public void Add(string field, string description)
    {
        if (++Count <= MaxReported)
            _badRequest.FieldViolations.Add(Violation(field, description));
    }

    /// <summary>Reads a required UUID; the result is meaningless if it adds a violation.</summary>
    public Guid Id(string? text, string field)
    {
        if (IsId(text, out var id))
            return id;
        Add(field, string.IsNullOrEmpty(text)
            ? "is missing"
            : "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057");
        return default;
    }

    /// <summary>
    /// Whether a text is a canonical UUID, but not the one of zeros. Its letters may be capitals (RFC 9562, 4).
    /// </summary>
    internal static bool IsId(string? text, out Guid id)
    {
        id = default;
        // .NET also accepts spaces around a UUID, and signs and 0x inside.
        return text is { Length: UuidLength } && text.All(x => char.IsAsciiHexDigit(x) || x == '-')
            && Guid.TryParseExact(text, "D", out id) && id != Guid.Empty;
    }

    /// <summary>Reads the id of a request that has no other fields.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: the id is missing or no UUID.</exception>
    public static Guid ReadId(string? text, string field)
    {
        var violations = new FieldViolations();
        var id = violations.Id(text, field);
        violations.ThrowIfAny();
        return id;
    }

    /// <summary>Reads an optional UUID; null if it is empty.</summary>
    public Guid? OptionalId(string? text, string field) => string.IsNullOrEmpty(text) ? null : Id(text, field);

    /// <summary>Reads a page size (AIP-158): 0 is the default of 50, and more than 1,000 is 1,000.</summary>
    public int PageSize(int size) => Limit(size, "page_size", DefaultPageSize);

    /// <summary>Reads how many of something a client wants at most; more than the maximum is the maximum.</summary>
    /// <param name="value">The number; 0 is the default, and a negative one adds a violation.</param>
    /// <param name="field">The field's name.</param>
    /// <param name="defaultValue">The default.</param>
    public int Limit(int value, string field, int defaultValue)
    {
        if (value < 0)
            Add(field, "must not be negative");
        return value == 0 ? defaultValue : Math.Min(value, MaxPageSize);
    }

    /// <summary>Reads an optional time; null if it is missing or adds a violation.</summary>
    public DateTime? OptionalTime(Timestamp? time, string field)
    {
        try
        {
            return time?.ToDateTime();
        }
        catch (InvalidOperationException)
        {
            Add(field, "must be a time of the years 1 to 9999, with 0 to 999999999 nanos");
            return null;
        }
    }

    /// <summary>Ends the validation.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: there are violations.</exception>
    public void ThrowIfAny()
    {
        if (Count > MaxReported)
            _badRequest.FieldViolations.Add(Violation("request", $"has {Count - MaxReported} more bad fields"));
        if (Count > 0)
            throw RpcErrors.InvalidArgument(_badRequest, Message());
    }

    string Message()
    {
        var message = "";
        var (next, all) = (0, _badRequest.FieldViolations);
        for (; next < all.Count && (next == 0 || message.Length < MaxMessageLength); next++)
            message += $"{(next == 0 ? "" : "; ")}{all[next].Field} {all[next].Description}";
        return next == all.Count ? message : $"{message}; see the details for more";
    }

    static BadRequest.Types.FieldViolation Violation(string field, string description) =>
        new() { Field = field, Description = description };
}
