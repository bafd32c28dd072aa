using Microsoft.Playwright;
using Saga.Servers;
using static Microsoft.Playwright.Assertions;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>Opens the page for operators in a browser, and provides what an operator does there.</summary>
public abstract class PageFixture : OperatorFixture
{
    const string Browser = "/usr/bin/chromium";
    const int PhoneWidth = 390, DesktopWidth = 1280;

    readonly List<string> _errors = [];
    IPlaywright? _playwright;
    IBrowser? _browser;

    protected IPage Page { get; private set; } = null!;

    /// <summary>What the page shows below its bar.</summary>
    protected ILocator Main => Page.Locator(".mud-main-content");

    protected ILocator Dialog => Page.Locator(".mud-dialog");

    protected Uri Address => System.Operations!.HttpAddress;

    /// <summary>What the browser may ask for anything.</summary>
    protected virtual IEnumerable<Uri> Addresses => [Address];

    [OneTimeSetUp]
    public async Task OpenBrowserAsync()
    {
        if (!File.Exists(Browser))
            Assert.Ignore("the test needs Chromium: apt-get install chromium");
        SetDefaultExpectTimeout(30_000);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = Browser });
        Page = await _browser.NewPageAsync(new()
        {
            ViewportSize = new() { Width = DesktopWidth, Height = 900 },
            IgnoreHTTPSErrors = LocalTls.Instance != null, // its authority is not one of the browser
        });
        Page.Console += (_, message) =>
        {
            if (message.Type == "error")
                _errors.Add(message.Text);
        };
        await SignInAsync();
        Page.Request += (_, request) =>
        {
            if (new Uri(request.Url) is { Scheme: not "data" } url
                && Addresses.All(x => x.Authority != url.Authority))
                _errors.Add($"{url} is not of the page");
        };
    }

    [OneTimeTearDown]
    public async Task CloseBrowserAsync()
    {
        if (_browser != null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
    }

    /// <summary>Gives the browser the operator's token.</summary>
    protected virtual Task SignInAsync() =>
        Page.Context.AddCookiesAsync([new() { Name = "operator", Value = Token, Url = $"{Address}" }]);

    /// <summary>Also what the content security policy has blocked is an error in the browser's console.</summary>
    [TearDown]
    public async Task CheckBrowserAsync()
    {
        if (TestContext.CurrentContext.Result.FailCount > 0)
            await PictureAsync($"failed-{TestContext.CurrentContext.Test.MethodName}");
        Assert.That(_errors, Is.Empty, "errors in the browser");
    }

    /// <summary>Opens a page and waits until its content is read.</summary>
    protected async Task OpenAsync(string path, string title)
    {
        await Page.GotoAsync($"{new Uri(Address, path)}");
        await Expect(Page.GetByRole(AriaRole.Heading, new() { Name = title, Level = 1 })).ToBeVisibleAsync();
        await Expect(Main).ToContainTextAsync("As of ");
    }

    /// <summary>The row of a table with a text.</summary>
    protected ILocator RowOf(string text) => Page.GetByRole(AriaRole.Row).Filter(new() { HasText = text });

    /// <summary>The part of a page with a text, such as a group of dead letters.</summary>
    protected ILocator PartOf(string text) => Main.Locator(".mud-paper").Filter(new() { HasText = text });

    protected static ILocator ButtonOf(ILocator part, string name) =>
        part.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    /// <summary>Clicks a button, says why, confirms the question, and waits for the outcome.</summary>
    /// <param name="button">The button.</param>
    /// <param name="question">What the question contains.</param>
    /// <param name="outcome">What the outcome contains.</param>
    /// <param name="fields">The values of other fields.</param>
    protected async Task ActAsync(ILocator button, string question, string outcome,
        params (string Label, string Value)[] fields)
    {
        await BeginAsync(button, question, fields);
        await EndAsync(outcome);
    }

    /// <summary>Clicks a button, says why, and confirms the question.</summary>
    protected async Task BeginAsync(ILocator button, string question, params (string Label, string Value)[] fields)
    {
        await button.ClickAsync();
        var confirm = ButtonOf(Dialog, "Confirm");
        await Expect(confirm).ToBeDisabledAsync();
        foreach (var (label, value) in fields)
            await Dialog.GetByLabel(label).FillAsync(value);
        await Dialog.GetByLabel("Why").FillAsync(Reason);
        await Expect(Dialog).ToContainTextAsync(question);
        await confirm.ClickAsync();
    }

    /// <summary>Waits for the outcome of an action, and closes its dialog.</summary>
    protected async Task EndAsync(string outcome)
    {
        await Expect(Dialog).ToContainTextAsync(outcome);
        await ButtonOf(Dialog, "Close").ClickAsync();
        await Expect(Dialog).ToHaveCountAsync(0);
    }

    /// <summary>Takes a picture of the page on a phone and on a desk, and asserts that nothing is cut off.</summary>
    protected async Task PictureAsync(string name)
    {
        foreach (var width in new[] { PhoneWidth, DesktopWidth })
        {
            await Page.SetViewportSizeAsync(width, 900);
            // The menu, if the page has one, moves out of it on a phone, and back on a desk.
            await Wait.UntilAsync(() => Page.EvaluateAsync<bool>("""
                isPhone => {
                    const fits = document.documentElement.scrollWidth <= window.innerWidth;
                    if (document.title.endsWith('sign in'))
                        return fits;
                    const menu = document.querySelector('.mud-drawer').getBoundingClientRect();
                    const text = document.querySelector('.mud-main-content > *').getBoundingClientRect();
                    return (isPhone ? menu.right <= 0 && text.left <= 0 : menu.left == 0 && text.left >= menu.right)
                        && fits;
                }
                """, width == PhoneWidth), TimeSpan.FromSeconds(30), () => $"{name} to fit {width} pixels");
            var picture = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"page-{name}-{width}.png");
            await Page.ScreenshotAsync(new() { Path = picture, FullPage = true });
            TestContext.AddTestAttachment(picture);
        }
    }
}
