using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using Date = Google.Type.Date;

namespace Service.Defaults;

/// <summary>Reads the fields that requests of operators have in common.</summary>
public static class OperationsRequests
{
    /// <summary>Reads ids; none twice.</summary>
    public static Guid[] Ids(this FieldViolations violations, IReadOnlyList<string> texts, string field, int limit)
    {
        ArgumentNullException.ThrowIfNull(violations);
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count > limit)
            violations.Add(field, $"must have at most {limit} elements, not {texts.Count}");
        return [.. texts.Take(limit).Select((x, i) => violations.Id(x, $"{field}[{i}]")).Distinct()];
    }

    /// <summary>Reads an optional age; null if it is unset or adds a violation.</summary>
    public static TimeSpan? OptionalAge(this FieldViolations violations, Duration? age, string field)
    {
        ArgumentNullException.ThrowIfNull(violations);
        try
        {
            if (age?.ToTimeSpan() is not { } span)
                return null;
            if (span >= TimeSpan.Zero && span.TotalDays <= 36500)
                return span;
        }
        catch (InvalidOperationException)
        {
            // not in the form of a duration
        }

        violations.Add(field, "must be 0 seconds to 36500 days");
        return null;
    }

    /// <summary>Reads how much an action changes per second; 0 is the default.</summary>
    public static double Rate(this FieldViolations violations, double rate, string field)
    {
        const double min = 0.01, max = 10_000, defaultRate = 100;
        ArgumentNullException.ThrowIfNull(violations);
        if (rate is not (0 or (>= min and <= max)))
            violations.Add(field, FormattableString.Invariant($"must be {min} to {max} per second"));
        return rate == 0 ? defaultRate : rate;
    }

    /// <summary>Reads the time range of an export, which must be given.</summary>
    public static (DateTime Start, DateTime End) TimeRange(this FieldViolations violations, ExportRequest request)
    {
        ArgumentNullException.ThrowIfNull(violations);
        ArgumentNullException.ThrowIfNull(request);
        var start = violations.RequiredTime(request.StartTime, "start_time");
        var end = violations.RequiredTime(request.EndTime, "end_time");
        if (start >= end && violations.Count == 0)
            violations.Add("end_time", "must be later than start_time");
        return (start, end);
    }

    /// <summary>Reads a time that must be given.</summary>
    public static DateTime RequiredTime(this FieldViolations violations, Timestamp? time, string field)
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (time == null)
            violations.Add(field, "is missing");
        return violations.OptionalTime(time, field) ?? default;
    }

    /// <summary>Reads a day.</summary>
    /// <returns>Its begin and its end, in UTC.</returns>
    public static (DateTime Start, DateTime End) Day(this FieldViolations violations, Date? day, string field)
    {
        ArgumentNullException.ThrowIfNull(violations);
        if (day is { Year: >= 1970 and < 9999, Month: >= 1 and <= 12, Day: >= 1 }
            && day.Day <= DateTime.DaysInMonth(day.Year, day.Month))
        {
            var start = new DateTime(day.Year, day.Month, day.Day, 0, 0, 0, DateTimeKind.Utc);
            return (start, start.AddDays(1));
        }

        violations.Add(field, "must be a day since 1970, with year, month and day");
        return default;
    }
}
