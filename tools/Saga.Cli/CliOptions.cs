using System.CommandLine;
using Npgsql;

namespace Saga.Cli;

/// <summary>Creates options that validate their values.</summary>
static class CliOptions
{
    /// <summary>An integer of at least <paramref name="min" />.</summary>
    public static Option<int> Count(string name, string description, int defaultValue, int min = 1)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => defaultValue };
        return option.Requires(x => x >= min, $"must be at least {min}");
    }

    /// <summary>A finite number greater than zero.</summary>
    public static Option<double> Positive(string name, string description, double defaultValue)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => defaultValue };
        return option.Requires(x => x > 0 && double.IsFinite(x), "must be more than 0");
    }

    /// <summary>An absolute address with the scheme of the example, or that scheme over TLS.</summary>
    public static Option<Uri?> Address(string name, string description, string example) => new(name)
    {
        Description = description,
        CustomParser = result =>
        {
            var (text, scheme) = (result.Tokens.Single().Value, new Uri(example).Scheme);
            if (Uri.TryCreate(text, UriKind.Absolute, out var address)
                && (address.Scheme == scheme || address.Scheme == $"{scheme}s"))
                return address;
            result.AddError($"{name} must be an address such as {example}; it is {text}");
            return null;
        },
    };

    /// <summary>A connection string of PostgreSQL.</summary>
    public static Option<string?> ConnectionString(string name, string description) => new(name)
    {
        Description = description,
        CustomParser = result =>
        {
            try
            {
                return new NpgsqlConnectionStringBuilder(result.Tokens.Single().Value).ConnectionString;
            }
            catch (ArgumentException e)
            {
                const string example = "Host=127.0.0.1;Port=5432;Database=orders;Username=orders;Password=…";
                result.AddError($"{name} must be a connection string such as {example}: {e.Message}");
                return null;
            }
        },
    };

    /// <summary>Whether to skip the build of the services.</summary>
    public static Option<bool> NoBuild() =>
        new("--no-build") { Description = "Runs the existing build of the services." };

    /// <summary>Rejects values that do not satisfy a condition.</summary>
    public static Option<T> Requires<T>(this Option<T> option, Func<T, bool> condition, string message)
    {
        option.Validators.Add(result =>
        {
            try
            {
                if (result.Tokens.Count > 0 && result.GetValueOrDefault<T>() is { } value && !condition(value))
                    result.AddError($"{option.Name} {message}");
            }
            catch (InvalidOperationException)
            {
                // The value cannot be parsed, which the parser reports.
            }
        });
        return option;
    }
}
