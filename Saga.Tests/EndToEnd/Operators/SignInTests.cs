using System.Collections.Specialized;
using System.Net;
using System.Web;
using Microsoft.Playwright;
using Operations.V1;
using Saga.Services;
using static Microsoft.Playwright.Assertions;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>The system as Run starts it, with the development issuer.</summary>
[TestFixture, Category("E2E")]
public sealed class When_an_operator_signs_in_at_the_issuer : PageFixture
{
    const string Queue = "capture-funds", Subject = "operator", Client = "alice";

    protected override OrderSystemOptions Options => base.Options with { WithIssuer = true };

    protected override IEnumerable<Uri> Addresses => base.Addresses.Append(System.Issuer!.HttpAddress);

    protected override Task SignInAsync() => Task.CompletedTask;

    ILocator Alert => Page.GetByRole(AriaRole.Alert);

    /// <summary>Leaves the page of the test before, whose connection needs the cookie.</summary>
    [SetUp]
    public async Task ForgetAsync()
    {
        await Page.GotoAsync($"{new Uri(Address, "sign-in")}");
        await Page.Context.ClearCookiesAsync();
    }

    [Test]
    public async Task Should_return_to_the_page_that_was_wanted_and_act_under_the_subject_of_the_token()
    {
        await Page.GotoAsync($"{new Uri(Address, "queues")}");
        await PictureAsync("sign-in-issuer");
        await LeaveForIssuerAsync();
        await PictureAsync("issuer");
        await FillInAsync(Subject, "wrong");
        await Expect(Alert).ToContainTextAsync("The user or the password is wrong.");
        await FillInAsync(Subject, System.Tokens!.Password);

        await Expect(Page).ToHaveURLAsync($"{new Uri(Address, "queues")}");
        await Expect(Page.Locator(".mud-appbar")).ToContainTextAsync(Subject);
        await ActAsync(ButtonOf(RowOf(Queue), "Pause"), $"1 queue, {Queue}", $"{Queue} is paused.");
        await ActAsync(ButtonOf(RowOf(Queue), "Resume"), $"1 queue, {Queue}", $"{Queue} is consumed.");
        await OpenAsync("audit", "Audit trail");
        await Expect(RowOf("PauseQueue").Filter(new() { HasText = "Succeeded, 1 changed" }))
            .ToContainTextAsync(Subject);
        var trail = await new OperationsService.OperationsServiceClient(System.Operations!.Channel)
            .ListAuditAsync(new ListAuditRequest());
        Assert.That(trail.Records.Select(x => x.Operator).Distinct(), Is.EqualTo(new[] { Subject }));

        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(Page).ToHaveTitleAsync("Order saga: sign in");
        await AssertNotSignedInAsync();
        await Page.GotoAsync($"{Address}"); // as somebody else who opens the page
        await LeaveForIssuerAsync();
        Assert.That(Page.Url, Does.Contain("prompt=login"), "whoever comes next has to sign in, too");
    }

    /// <summary>A process that has just started is like another replica: it has only what the database has.</summary>
    [Test, Category("Long")]
    public async Task Should_return_to_another_replica()
    {
        await Page.GotoAsync($"{new Uri(Address, "queues")}");
        await LeaveForIssuerAsync();
        await RestartAsync(System.Operations!);
        await FillInAsync(Subject, System.Tokens!.Password);
        await Expect(Page.Locator(".mud-appbar")).ToContainTextAsync(Subject);
    }

    [Test]
    public async Task Should_be_refused_without_the_scope_and_come_back_as_somebody_else()
    {
        await Page.GotoAsync($"{new Uri(Address, "audit")}");
        await LeaveForIssuerAsync();
        await FillInAsync(Client, System.Tokens!.Password);
        await Expect(Page).ToHaveTitleAsync("Order saga: sign in");
        await Expect(Alert).ToContainTextAsync("The token lacks the scope admin.");
        await PictureAsync("sign-in-refused");
        await AssertNotSignedInAsync();

        await LeaveForIssuerAsync();
        await FillInAsync(Subject, System.Tokens.Password);
        await Expect(Page.GetByRole(AriaRole.Heading, new() { Name = "Audit trail" })).ToBeVisibleAsync();
    }

    [TestCase("https://elsewhere.example/")]
    [TestCase("//elsewhere.example")]
    [TestCase("/\\elsewhere.example")]
    public async Task Should_never_lead_to_another_site(string target)
    {
        await Page.GotoAsync($"{new Uri(Address, $"/sign-in/issuer?to={Uri.EscapeDataString(target)}")}");
        await FillInAsync(Subject, System.Tokens!.Password);
        await Expect(Page).ToHaveURLAsync($"{Address}");
        await Expect(Page.Locator(".mud-appbar")).ToContainTextAsync(Subject);
    }

    [Test]
    public async Task Should_not_be_signed_in_by_what_the_issuer_has_not_answered_to_this_browser()
    {
        await Page.GotoAsync($"{new Uri(Address, "/sign-in/issuer?to=/queues")}");
        var wanted = Query(Page.Url);
        foreach (var state in new[] { "invented", wanted["state"] })
        {
            using var handler = new HttpClientHandler { AllowAutoRedirect = false };
            using var other = new HttpClient(handler) { BaseAddress = Address };
            using var answer = await other.GetAsync($"/sign-in/callback?code=x&state={Uri.EscapeDataString(state!)}");
            Assert.That((answer.StatusCode, answer.Headers.Location?.OriginalString.Split('&')[^1]),
                Is.EqualTo((HttpStatusCode.Redirect, "problem=Issuer")));
        }

        await Page.GotoAsync($"{new Uri(Address, $"/sign-in/callback?code=x&state={wanted["state"]}")}");
        await Expect(Alert).ToContainTextAsync("The issuer has not signed you in.");
        await AssertNotSignedInAsync();
    }

    [TestCase("redirect_uri", "https://elsewhere.example/sign-in/callback")]
    [TestCase("client_id", "somebody")]
    [TestCase("code_challenge", "")]
    public async Task Should_find_an_issuer_that_sends_nobody_elsewhere(string parameter, string value)
    {
        await Page.GotoAsync($"{new Uri(Address, "/sign-in/issuer")}");
        var wanted = Query(Page.Url);
        wanted[parameter] = value;
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var http = new HttpClient(handler);
        using var form = new FormUrlEncodedContent(wanted.AllKeys.Select(x =>
            KeyValuePair.Create(x!, wanted[x])).Concat(
            [
                new("username", Subject), new("password", System.Tokens!.Password),
            ]));
        using var answer = await http.PostAsync(new Uri(System.Issuer!.HttpAddress, "/connect/authorize"), form);
        Assert.That(answer.Headers.Location?.Query ?? "", Does.Not.Contain("code="));
        Assert.That((int)answer.StatusCode, Is.InRange(300, 499).And.Not.EqualTo(404));
    }

    async Task AssertNotSignedInAsync() =>
        Assert.That((await Page.Context.CookiesAsync()).Select(x => x.Name), Has.None.EqualTo("operator"));

    static NameValueCollection Query(string address) => HttpUtility.ParseQueryString(new Uri(address).Query);

    async Task LeaveForIssuerAsync()
    {
        await Page.GetByRole(AriaRole.Link, new() { Name = $"Sign in with {System.Issuer!.HttpAddress.Authority}" })
            .ClickAsync();
        await Expect(Page).ToHaveTitleAsync("Development issuer: sign in");
    }

    async Task FillInAsync(string user, string password)
    {
        await Page.GetByLabel("User").FillAsync(user);
        await Page.GetByLabel("Password").FillAsync(password);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
    }
}
