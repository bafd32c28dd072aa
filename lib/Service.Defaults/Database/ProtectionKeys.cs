using System.Xml.Linq;
using Messaging.Postgres;
using Microsoft.AspNetCore.DataProtection.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace Service.Defaults;

/// <summary>
/// The keys of page tokens and of the state of sign-ins, in the service's database, which all replicas share. They are
/// read at the start, and once a day after that: while the database is away, those that are known stay. A new key is
/// used two days after it was made, so a later reading finds it in time.
/// </summary>
sealed class ProtectionKeys<TDbContext>(IServiceProvider services, ILoggerFactory logs)
    : EntityFrameworkCoreXmlRepository<TDbContext>(services, logs)
    where TDbContext : DbContext, IDataProtectionKeyContext
{
    volatile IReadOnlyCollection<XElement>? _known;

    public override IReadOnlyCollection<XElement> GetAllElements()
    {
        try
        {
            return _known = base.GetAllElements();
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e) && _known is { } known)
        {
            return known;
        }
    }
}
