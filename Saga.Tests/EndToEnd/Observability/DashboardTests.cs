using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Saga.Servers;
using Saga.Services;
using Saga.Tests.Support;

namespace Saga.Tests.EndToEnd.Observability;

/// <summary>What <c>./build.sh --target=Run</c> starts, and its dashboard in a browser.</summary>
[TestFixture, Category("E2E")]
public sealed partial class When_the_first_run_is_watched
{
    const string Browser = "/usr/bin/chromium";

    ChildProcess _run = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        var servers = await TestServers.GetAsync();
        if (servers is GivenServers)
            Assert.Ignore("the test needs its own servers");
        if (!File.Exists(Browser))
            Assert.Ignore("the test needs Chromium: apt-get install chromium");
        var program = Path.Combine(Repository.Root, "artifacts", "bin", "Saga.Cli", ServicePrograms.Configuration,
            "Saga.Cli.dll");
        _run = ChildProcess.Start(servers.Folder, "run",
            ["dotnet", program, "up", "--no-build", "--timeout", "00:00:15"]); // the first order is slow
        await Wait.UntilAsync(() => Task.FromResult(_run.HasExited
                ? throw new InvalidOperationException($"Run has exited:\n{_run.Tail()}")
                : Output.Contains("The system runs until Ctrl-C", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(180), () => $"Run:\n{_run.Tail()}");
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_run != null)
            await _run.DisposeAsync();
    }

    string Output => File.Exists(_run.LogFile) ? File.ReadAllText(_run.LogFile) : "";

    [Test]
    public async Task Should_show_the_whole_way_of_the_order_that_timed_out()
    {
        var address = new Uri(AddressText().Match(Output).Groups[1].Value);
        var order = OrderText().Matches(Output)[2].Groups[1].Value;
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = Browser });
        var page = await browser.NewPageAsync(new() { ViewportSize = new() { Width = 1600, Height = 1080 } });

        await page.GotoAsync($"{address}");
        await page.WaitForURLAsync("**/traces");
        await page.GotoAsync($"{new Uri(address, $"/traces?filters=order.id:equals:{order}")}");
        await page.GetByText("orders.v1.OrderService/CreateOrder").ClickAsync();
        await page.WaitForURLAsync("**/traces/detail/*");

        foreach (var (service, span) in ((string, string)[])
        [
            ("order-service", "orders.v1.OrderService/CreateOrder"),
            ("account-service", "process ReserveFunds reserve-funds"),
            ("order-service", "process ReservationTimedOut order-state"),
            ("order-service", "send ReleaseFunds release-funds"),
            ("account-service", "process ReleaseFunds release-funds"),
            ("order-service", "process FundsReleased order-state"),
        ])
            await Assertions.Expect(page.GetByRole(AriaRole.Row).Filter(new() { HasText = span })
                .Filter(new() { HasText = service })).ToBeVisibleAsync(new() { Timeout = 30_000 });
        var picture = Path.Combine(TestContext.CurrentContext.WorkDirectory, "trace.png");
        await page.Mouse.MoveAsync(0, 0);
        await page.ScreenshotAsync(new() { Path = picture });
        TestContext.AddTestAttachment(picture, "docs/images/trace.png shows this");
    }

    [Test, DependsOnTest(nameof(Should_show_the_whole_way_of_the_order_that_timed_out), AllowFailure = true)]
    public async Task Should_show_the_dashboard_only_to_those_who_have_the_token()
    {
        var address = new Uri(AddressText().Match(Output).Groups[1].Value);
        using var http = new HttpClient();
        using var response = await http.GetAsync(new Uri(address, "/traces"));
        Assert.That(response.RequestMessage!.RequestUri!.AbsolutePath, Is.EqualTo("/login"));
        Assert.That(address.Host, Is.EqualTo("127.0.0.1"));
    }

    /// <summary>A build that is not published finds the page's files elsewhere.</summary>
    [Test, DependsOnTest(nameof(Should_show_the_dashboard_only_to_those_who_have_the_token), AllowFailure = true)]
    public async Task Should_serve_the_page_for_operators()
    {
        var page = new Uri(PageText().Match(Output).Groups[1].Value);
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", TokenText().Match(Output).Groups[1].Value);
        foreach (var (path, content) in new[]
        {
            ("", "blazor-error-ui"), ("_content/Operations/page.css", "#blazor-error-ui"),
            ("_content/MudBlazor/MudBlazor.min.css", ".mud-"), ("_framework/blazor.web.js", "function"),
        })
            Assert.That(await http.GetStringAsync(new Uri(page, path)), Does.Contain(content), path);
    }

    [Test, DependsOnTest(nameof(Should_serve_the_page_for_operators), AllowFailure = true)]
    public async Task Should_stop_and_remove_everything_at_ctrl_c()
    {
        var folder = FolderText().Match(Output).Groups[1].Value;
        Assert.That(folder, Does.Exist);
        await _run.StopAsync(Signal.Int, TimeSpan.FromSeconds(90));
        Assert.That(folder, Does.Not.Exist, "the folder of data and logs, which is deleted last");
    }

    [GeneratedRegex(@"Dashboard +(http\S+)")]
    private static partial Regex AddressText();

    [GeneratedRegex(@"Operations, page +(http\S+)")]
    private static partial Regex PageText();

    [GeneratedRegex(@"export ORDERSAGA_TOKEN=(\S+)")]
    private static partial Regex TokenText();

    [GeneratedRegex(@"Logs +(/\S+)")]
    private static partial Regex FolderText();

    [GeneratedRegex(@"order ([0-9a-f-]{36}) over")]
    private static partial Regex OrderText();
}
