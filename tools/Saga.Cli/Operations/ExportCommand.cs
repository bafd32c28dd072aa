using System.CommandLine;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Operations.V1;

namespace Saga.Cli;

/// <summary>The command that writes the orders or the ledger of a time range.</summary>
static class ExportCommand
{
    public static Command Export(OpsConnection connection)
    {
        var what = new Argument<string>("what") { Description = "orders or entries, those of the ledger." };
        what.AcceptOnlyFromAmong("orders", "entries");
        var from = Time("--from", "The beginning of the range, such as 2026-11-29 or 2026-11-29T12:00:00Z, inclusive.");
        var to = Time("--to", "The end of the range, exclusive.");
        var after = new Option<string?>("--after")
        {
            Description = "Continues after this id, the last one of an export that was interrupted.",
        };
        var csv = new Option<bool>("--csv")
        {
            Description = "Writes CSV with a header; by default, a line of JSON each.",
        };
        var command = new Command("export", "Writes the orders or the ledger of a time range, as of one moment, to the "
            + "output.") { what, from, to, after, csv };
        connection.SetAction(command, async (client, run, parsed) =>
        {
            var request = new ExportRequest
            {
                StartTime = parsed.GetValue(from).ToTimestamp(),
                EndTime = parsed.GetValue(to).ToTimestamp(),
                AfterId = parsed.GetValue(after) ?? "",
            };
            if (parsed.GetValue(what) == "orders")
            {
                using var orders = client.ExportOrders(request, cancellationToken: run.CancellationToken);
                await WriteAsync(orders.ResponseStream, OrderRecord.Descriptor, x => x.OrderId);
            }
            else
            {
                using var entries = client.ExportEntries(request, cancellationToken: run.CancellationToken);
                await WriteAsync(entries.ResponseStream, EntryRecord.Descriptor, x => $"{x.EntryId}");
            }

            return OpsConnection.Done;

            async Task WriteAsync<T>(IAsyncStreamReader<T> records,
                Google.Protobuf.Reflection.MessageDescriptor type, Func<T, string> id) where T : IMessage
            {
                var isCsv = parsed.GetValue(csv);
                if (isCsv && request.AfterId == "")
                    Console.WriteLine(CsvRecords.Header(type));
                var last = request.AfterId;
                try
                {
                    await foreach (var record in records.ReadAllAsync(run.CancellationToken))
                    {
                        if (isCsv)
                            Console.WriteLine(CsvRecords.Line(record));
                        else
                            OpsConnection.WriteJson(record);
                        last = id(record);
                    }
                }
                catch (Exception e) when (e is RpcException or OperationCanceledException)
                {
                    await Console.Error.WriteLineAsync($"interrupted: continue with --after {last}");
                    throw;
                }
            }
        });
        return command;
    }

    static Option<DateTimeOffset> Time(string name, string description) => new(name)
    {
        Description = description,
        Required = true,
        CustomParser = result =>
        {
            var text = result.Tokens.Single().Value;
            if (DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture,
                System.Globalization.DateTimeStyles.AssumeUniversal, out var time))
                return time;
            result.AddError($"{name} must be a time such as 2026-11-29T12:00:00Z; it is {text}");
            return default;
        },
    };
}
