using System.Diagnostics;
using Saga.Load;

namespace Saga.Tests.Tools;

[TestFixture, Category("Unit")]
public sealed class When_load_results_are_summarized
{
    [TestCase(new[] { 3.0, 1, 2 }, 2)]
    [TestCase(new[] { 4.0, 1, 2, 3 }, 2.5)]
    public void Should_report_the_median_with_minimum_and_maximum(double[] rates, double median)
    {
        var all = MedianFigures.Of([.. rates.Select(Of)]);
        Assert.That(all.OrdersPerSecond, Is.EqualTo(median));
        Assert.That(all.Spread!["orders_per_second"], Is.EqualTo(new[] { rates.Min(), rates.Max() }));
        Assert.That((all.Repeat, all.Errors, all.RejectedCalls, all.Outcomes["CONFIRMED"]),
            Is.EqualTo((rates.Length, rates.Length, 2 * rates.Length, 9 * rates.Length)));
    }

    [Test]
    public void Should_report_percentiles_in_milliseconds()
    {
        var latency = Latency.From(Enumerable.Range(1, 1000).Select(x => x * Stopwatch.Frequency / 1000));
        Assert.That(latency.P50, Is.EqualTo(500).Within(0.1).Percent);
        Assert.That(latency.P99, Is.EqualTo(990).Within(0.1).Percent);
        Assert.That(latency.Max, Is.EqualTo(1000).Within(0.1).Percent);
    }

    [Test]
    public void Should_report_zeros_for_a_run_without_orders() =>
        Assert.That(Latency.From([]), Is.EqualTo(new Latency(0, 0, 0, 0)));

    [Test]
    public async Task Should_compare_the_common_values_of_files_and_fail_on_unreadable_files()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            FileInfo File(string name) => new(Path.Combine(folder.FullName, name));
            await Of(1).WriteAsync(File("a.json"), default);
            await Figures.WriteAsync(File("sweep.json"), new[] { Of(1), Of(2) }, default);
            await System.IO.File.WriteAllTextAsync(File("broken.json").FullName, "{");

            var read = await Figures.ReadSweepAsync(File("sweep.json"), default);
            Assert.That(read.Select(x => (x.Program, x.OrdersPerSecond)), Is.EqualTo(new[]
            {
                ("Order and Account", Of(1).OrdersPerSecond), ("Order and Account", Of(2).OrdersPerSecond),
            }));
            Assert.That(await CompareCommand.RunAsync(File("a.json"), File("a.json"), default), Is.Zero);
            Assert.That(await CompareCommand.RunAsync(File("sweep.json"), File("sweep.json"), default), Is.Zero);
            Assert.That(await CompareCommand.RunAsync(File("a.json"), File("sweep.json"), default), Is.EqualTo(1));
            Assert.That(await CompareCommand.RunAsync(File("a.json"), File("broken.json"), default), Is.EqualTo(1));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    static Figures Of(double rate) => new()
    {
        Orders = 10,
        Clients = 1,
        Accounts = 1,
        Rate = 100 * rate,
        Warmup = 0,
        RejectedShare = 0,
        Grow = 0,
        Errors = 1,
        RejectedCalls = 2,
        OrdersPerSecond = rate,
        RpcMs = new Latency(1, 2, 3, 4),
        TerminalMs = new Latency(1, 2, 3, 4),
        LateMs = null,
        Outcomes = new Dictionary<string, int> { ["CONFIRMED"] = 9 },
        CommitsPerOrder = 0.5,
        LogBytesPerOrder = 9000,
        DiskBytesPerOrder = 3000,
        CpuMsPerOrder = new Dictionary<string, double> { ["load"] = 1 },
        MemoryMb = new Dictionary<string, double>(),
    };
}
