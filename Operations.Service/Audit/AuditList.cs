using Google.Protobuf.WellKnownTypes;
using Microsoft.EntityFrameworkCore;
using Operations.V1;
using Service.Defaults;

namespace Operations;

/// <summary>The method ListAudit.</summary>
sealed class AuditList(OperationsDbContext db, PageTokens tokens)
{
    const string Filter = "ListAudit";

    /// <summary>Reads a page of the audit trail, newest first.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with all violations.</exception>
    public async Task<ListAuditResponse> ReadAsync(ListAuditRequest request, CancellationToken cancellationToken)
    {
        var violations = new FieldViolations();
        var size = violations.PageSize(request.PageSize);
        var before = tokens.Read<long>(request.PageToken, Filter, violations);
        violations.ThrowIfAny();

        var query = db.AuditEntries.AsNoTracking();
        if (before is { } last)
            query = query.Where(x => x.EntryId < last);
        var page = await query.OrderByDescending(x => x.EntryId).Take(size + 1).ToListAsync(cancellationToken);
        var response = new ListAuditResponse { Records = { page.Take(size).Select(ToProto) } };
        if (page.Count > size)
            response.NextPageToken = tokens.Create(page[size - 1].EntryId, Filter);
        return response;
    }

    static AuditRecord ToProto(AuditEntry entry) => new()
    {
        EntryId = entry.EntryId,
        ActionId = entry.ActionId.ToString(),
        Time = entry.Time.ToTimestamp(),
        Operator = entry.Operator,
        Action = entry.Action,
        Target = entry.Target,
        Reason = entry.Reason,
        Outcome = entry.Outcome.ToString(),
        Count = entry.Count,
        Detail = entry.Detail ?? "",
    };
}
