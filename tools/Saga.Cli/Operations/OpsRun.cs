using System.CommandLine;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Operations.V1;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>One run of a command for operators.</summary>
/// <param name="Console">Prints tables and questions.</param>
/// <param name="IsJson">Whether to print responses as JSON instead.</param>
/// <param name="Operator">Who asks.</param>
/// <param name="CancellationToken">Cancelled by Ctrl-C.</param>
sealed record OpsRun(IAnsiConsole Console, bool IsJson, string Operator, CancellationToken CancellationToken)
{
    const int ShownIds = 5;

    /// <summary>Prints a response: as JSON, or by a function.</summary>
    public void Write(IMessage response, Action print)
    {
        if (IsJson)
            OpsConnection.WriteJson(response);
        else
            print();
    }

    /// <summary>A table with these columns.</summary>
    public static Table NewTable(params string[] columns) =>
        new Table().Border(TableBorder.Simple).AddColumns([.. columns.Select(x => new TableColumn(x))]);

    /// <summary>Prints a table, or a sentence if it has no rows.</summary>
    public void Write(Table table, string ifEmpty)
    {
        if (table.Rows.Count == 0)
            Console.WriteLine(ifEmpty);
        else
            Console.Write(table);
    }

    /// <summary>Prints what has not answered.</summary>
    public void Write(IEnumerable<MissingSource> missing)
    {
        foreach (var source in missing)
            Console.MarkupLineInterpolated($"[red]{source.Source} is missing: {source.Error}[/]");
    }

    /// <summary>Asks before something is changed.</summary>
    /// <param name="what">How many of what are changed, and which.</param>
    /// <param name="isConfirmed">Whether the option --yes is given.</param>
    /// <returns>False if the operator does not confirm.</returns>
    public bool Confirm(string what, bool isConfirmed)
    {
        if (isConfirmed)
            return true;
        if (System.Console.IsInputRedirected || !Console.Profile.Capabilities.Interactive)
        {
            System.Console.Error.WriteLine($"{what}: nobody can be asked, so use --yes");
            return false;
        }

        return Console.Confirm($"{Markup.Escape(what)}?", defaultValue: false);
    }

    /// <summary>The first of some ids, for a question.</summary>
    public static string Some(IReadOnlyCollection<string> ids) => string.Join(", ", ids.Take(ShownIds))
        + (ids.Count > ShownIds ? ", …" : "");

    /// <summary>A time to the second, in UTC.</summary>
    public static string Text(Timestamp? time) => time?.ToDateTime().ToString("yyyy-MM-dd HH:mm:ss'Z'",
        System.Globalization.CultureInfo.InvariantCulture) ?? "";

    /// <summary>A number with at most one decimal.</summary>
    public static string Text(double number) =>
        number.ToString("0.#", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>An amount with its currency.</summary>
    public static string Text(Google.Type.Money? money) => money == null ? ""
        : string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{money.DecimalValue:0.####} {money.CurrencyCode}");

    /// <summary>The option by which an operator says why something is changed.</summary>
    public static Option<string> ReasonOption() => new("--reason")
    {
        Description = "Why; it is in the audit trail.",
        Required = true,
    };

    /// <summary>The option that skips the question.</summary>
    public static Option<bool> YesOption() => new("--yes", "-y") { Description = "Does not ask for a confirmation." };
}
