using System.Globalization;
using Google.Rpc;

namespace Service.Defaults;

/// <summary>Collects what is wrong with a request, so that its caller is told at once: the first ten, and how many more there are.</summary>
public sealed class FieldViolations
{
    const int MaxTold = 10; // each is in the answer's headers twice, and clients take 8 KB of those

    readonly BadRequest _badRequest = new();

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds one.</summary>
    public void Add(string field, string description)
    {
        if (++Count <= MaxTold)
            _badRequest.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = field, Description = description });
    }

    /// <summary>Reads a UUID that must be there.</summary>
    public Guid Id(string? text, string field)
    {
        if (Guid.TryParseExact(text, "D", out var id) && id != Guid.Empty)
            return id;
        Add(field, string.IsNullOrEmpty(text) ? "is missing" : "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057");
        return default;
    }

    /// <summary>Reads a request's only id, or throws INVALID_ARGUMENT.</summary>
    public static Guid ReadId(string? text, string field)
    {
        var violations = new FieldViolations();
        var id = violations.Id(text, field);
        violations.ThrowIfAny();
        return id;
    }

    /// <summary>Reads a UUID that may be left out.</summary>
    public Guid? OptionalId(string? text, string field) => string.IsNullOrEmpty(text) ? null : Id(text, field);

    /// <summary>Reads a page size: 0 for 50, larger ones than 1,000 as 1,000 (AIP-158).</summary>
    public int PageSize(int size)
    {
        if (size < 0)
            Add("page_size", "must not be negative");
        return size == 0 ? 50 : Math.Min(size, 1000);
    }

    /// <summary>Reads where the page before ended, from a token that was made for the same filter; null for the first page.</summary>
    public T? PageToken<T>(string? token, string filter) where T : struct, IParsable<T>
    {
        if (string.IsNullOrEmpty(token))
            return null;
        if (Defaults.PageToken.TryParse(token, filter, out var parsed) && T.TryParse(parsed.Position, CultureInfo.InvariantCulture, out var position))
            return position;
        Add("page_token", "must be the next_page_token of a request with the same filter");
        return null;
    }

    /// <summary>Throws INVALID_ARGUMENT with the violations, if there are any.</summary>
    /// <exception cref="Grpc.Core.RpcException">There are.</exception>
    public void ThrowIfAny()
    {
        if (Count > MaxTold)
            _badRequest.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = "request", Description = $"has {Count - MaxTold} more bad fields" });
        if (Count > 0)
            throw RpcErrors.InvalidArgument(_badRequest);
    }
}
