using System.Text;
using Saga.Servers;
using Saga.Services;
using Spectre.Console;

namespace Saga.Fuzz;

/// <summary>Starts servers and the system, and fuzzes it.</summary>
/// <param name="console">The output.</param>
/// <param name="seed">Decides what the calls are.</param>
sealed class FuzzCommand(IAnsiConsole console, int seed)
{
    /// <summary>Makes so many calls.</summary>
    /// <returns>The exit code: 0 if nothing is violated.</returns>
    public Task<int> RunAsync(int calls, CancellationToken cancellationToken) => RunAsync(async session =>
    {
        var report = await session.RunAsync(calls, cancellationToken);
        report.Print(console);
        return report.Violations.Count == 0 ? 0 : 1;
    }, cancellationToken);

    /// <summary>Makes one of the calls of the seed, and prints it with its response.</summary>
    /// <returns>The exit code: 0 if the response is as it must be.</returns>
    public Task<int> RunOneAsync(int number, CancellationToken cancellationToken) => RunAsync(async session =>
    {
        var (call, response) = await session.RunOneAsync(number, cancellationToken);
        console.WriteLine($"{call}");
        console.WriteLine($"{response.Kind(call.IsGrpc)} {response.Failure}{response.Error}");
        console.WriteLine(Encoding.UTF8.GetString(response.Body.Span));
        return ResponseRules.FindFault(call, response) == null ? 0 : 1;
    }, cancellationToken);

    async Task<int> RunAsync(Func<FuzzSession, Task<int>> run, CancellationToken cancellationToken)
    {
        await using var servers = await ServerChoice.StartAsync(wellKnownPorts: false, cancellationToken);
        console.MarkupLineInterpolated($"servers: {servers.Description}");
        await using var system = await OrderSystem.StartAsync(servers, new OrderSystemOptions
        {
            Suffix = $"_fuzz{Environment.ProcessId}",
            Settings = LogRules.Settings,
        }, cancellationToken);
        return await run(new FuzzSession(system, seed));
    }
}
