using System.Globalization;
using System.Text.RegularExpressions;

namespace Saga.Services;

/// <summary>The metrics of a service, as Prometheus reads them.</summary>
public sealed partial class Scrape
{
    static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(60) };

    Scrape(IReadOnlyList<Series> series) => All = series;

    /// <summary>All series.</summary>
    public IReadOnlyList<Series> All { get; }

    /// <summary>Reads the metrics of a replica.</summary>
    /// <exception cref="HttpRequestException">The replica does not run.</exception>
    /// <exception cref="TaskCanceledException">The replica did not answer in time.</exception>
    public static async Task<Scrape> ReadAsync(ServiceReplica replica, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(replica);
        var text = await Http.GetStringAsync(replica.MetricsAddress, cancellationToken);
        return new Scrape([.. SeriesText().Matches(text).Select(x => new Series(x.Groups[1].Value,
            LabelText().Matches(x.Groups[2].Value).ToDictionary(y => y.Groups[1].Value, y => y.Groups[2].Value),
            double.Parse(x.Groups[3].Value, CultureInfo.InvariantCulture)))]);
    }

    /// <summary>The sum of the series with a name and labels.</summary>
    public double Sum(string name, params (string Name, string Value)[] labels) => All.Where(x => x.Name == name
        && labels.All(y => x.Labels.GetValueOrDefault(y.Name) == y.Value)).Sum(x => x.Value);

    [GeneratedRegex(@"^([a-z_]+)\{(.*)\} (\S+)", RegexOptions.Multiline)]
    private static partial Regex SeriesText();

    [GeneratedRegex("""(\w+)="([^"]*)",?""")]
    private static partial Regex LabelText();

    /// <summary>A series with its last value.</summary>
    public sealed record Series(string Name, IReadOnlyDictionary<string, string> Labels, double Value);
}
