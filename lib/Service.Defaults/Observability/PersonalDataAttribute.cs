using Microsoft.Extensions.Compliance.Classification;

namespace Service.Defaults;

/// <summary>
/// Classifies a parameter of a log message that says who somebody is, or what somebody wrote in words of their own.
/// </summary>
/// <remarks>
/// Logs leave it out: who has done what, and why, is in the audit trail, which fewer people read than logs. So there
/// is no redactor. Microsoft.Extensions.Telemetry's (<c>EnableRedaction</c>) would replace the logger factory below
/// <see cref="LibraryLogs" />, and write the name of one of its types into the state of each line in JSON.
/// </remarks>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class PersonalDataAttribute() : DataClassificationAttribute(Personal)
{
    static readonly DataClassification Personal = new("OrderSaga", "PersonalData");
}
