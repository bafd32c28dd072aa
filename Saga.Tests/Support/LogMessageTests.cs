using System.Reflection;
using System.Text.RegularExpressions;
using Accounts;
using Messaging.Postgres.Observability;
using Messaging.RabbitMq;
using Microsoft.Extensions.Logging;
using Operations;
using Orders;
using Service.Defaults;

namespace Saga.Tests.Support;

/// <summary>The texts of all log lines, and of the exceptions that are logged with them.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_log_messages_are_checked
{
    const BindingFlags Declared = BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.Public | BindingFlags.NonPublic;

    static readonly Type[] Allowed =
    [
        typeof(ILogger), typeof(Exception), typeof(string), typeof(Guid), typeof(int), typeof(long), typeof(TimeSpan),
        typeof(DateTime), typeof(Grpc.Core.StatusCode),
    ];

    static readonly string[] Folders = ["Account.Service", "Order.Service", "Operations.Service", "lib"];

    static readonly MethodInfo[] All = [.. new[]
    {
        typeof(OrderStateMachine), typeof(Funds), typeof(LogLimit), typeof(BrokerOptions), typeof(ErrorInterceptor),
        typeof(AuditTrail),
    }.SelectMany(x => x.Assembly.GetTypes()).SelectMany(x => x.GetMethods(Declared))
        .Where(x => x.IsDefined(typeof(LoggerMessageAttribute)))];

    static IEnumerable<TestCaseData> Messages() => All.Select(x =>
        new TestCaseData(x).SetArgDisplayNames($"{x.DeclaringType!.Name}.{x.Name}"));

    [Test]
    public void Should_find_them() => Assert.That(All, Has.Length.GreaterThan(40));

    [TestCaseSource(nameof(Messages))]
    public void Should_contain_no_amount_and_no_account_above_debug(MethodInfo message)
    {
        if (message.GetCustomAttribute<LoggerMessageAttribute>()!.Level <= LogLevel.Debug)
            return;
        Assert.That(message.GetParameters().Select(x => Nullable.GetUnderlyingType(x.ParameterType) ?? x.ParameterType)
            .Except(Allowed), Is.Empty, "an object or a decimal can be an amount");
        Assert.That(message.GetParameters().Select(x => x.Name!).Where(x => SensitiveName().IsMatch(x)), Is.Empty);
    }

    [TestCaseSource(nameof(Messages))]
    public void Should_leave_out_who_somebody_is_and_what_somebody_wrote(MethodInfo message)
    {
        var personal = message.GetParameters().Where(x => IsPersonal(x, message)).ToList();
        Assert.That(personal.Where(x => !x.IsDefined(typeof(PersonalDataAttribute))).Select(x => x.Name), Is.Empty);
        Assert.That(Placeholder().Matches(TextOf(message)).Select(x => x.Groups[1].Value),
            Has.None.Matches<string>(x => personal.Exists(y => y.Name!.Equals(x, StringComparison.OrdinalIgnoreCase))),
            "nothing would be in its place");
    }

    /// <summary>The reason of an operator is free text. A subject is an order, where messages are handled.</summary>
    static bool IsPersonal(ParameterInfo parameter, MethodInfo message) =>
        PersonalName().IsMatch(parameter.Name!)
        || (parameter.Name == "subject" && parameter.ParameterType == typeof(string)
            && !message.DeclaringType!.Assembly.GetName().Name!.StartsWith("Messaging.", StringComparison.Ordinal))
        || (parameter.Name == "reason" && Array.Exists(message.GetParameters(), x => x.Name == "operator"));

    [Test]
    public void Should_write_neither_into_the_text_nor_into_a_field_what_is_classified()
    {
        var log = new FieldLog<AuditTrail>();
        var message = All.Single(x => x.DeclaringType == typeof(AuditTrail));

        message.Invoke(new AuditTrail(null!, TimeProvider.System, log),
            ["carol", "PauseQueue", "a-queue", "Succeeded", 1L, "her reason"]);

        Assert.That(log.Line, Does.Contain("action PauseQueue on a-queue").And.Contain("[Target, a-queue]"));
        Assert.That(log.Line, Does.Not.Contain("carol").And.Not.Contain("her reason"));
    }

    /// <summary>Stores the last line with its fields, as the formatter for JSON writes it.</summary>
    sealed class FieldLog<T> : ILogger<T>
    {
        public string Line { get; private set; } = "";

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Line = $"{formatter(state, exception)} {state} "
                + string.Join(' ', (IReadOnlyList<KeyValuePair<string, object?>>)state!);
    }

    [TestCaseSource(nameof(Messages))]
    public void Should_call_the_same_thing_by_the_same_name(MethodInfo message)
    {
        var names = Placeholder().Matches(TextOf(message)).Select(x => x.Groups[1].Value.Split(':')[0]).ToList();
        Assert.That(names.Where(x => x.Contains("Order") && x != "OrderId"), Is.Empty);
        Assert.That(names.Where(x => OtherNameOfQueue().IsMatch(x)), Is.Empty, "it is called Queue");
        Assert.That(names.Where(x => x is "Error" or "Exception" or "Cause"), Is.Empty, "it is called Reason");
    }

    [TestCaseSource(nameof(Messages))]
    public void Should_be_sentences(MethodInfo message)
    {
        var text = TextOf(message);
        Assert.That(text, Does.Match(@"^([A-Z]|\{)"));
        Assert.That(text == "{Limit}" || text.Split(' ').Length > 4, text);
        Assert.That(text, Does.Not.Match(@"\s\s|\.$|!|[A-Z]{2,}-[A-Z]+"), "no codes");
    }

    [Test]
    public void Should_be_declared_as_messages_with_fields()
    {
        var direct = from file in Sources()
                     from line in File.ReadLines(file).Index()
                     where DirectCall().IsMatch(line.Item)
                     select $"{file}:{line.Index + 1}: {line.Item.Trim()}";
        Assert.That(direct, Is.Empty);
    }

    [Test]
    public void Should_be_explained_as_they_are()
    {
        var texts = All.Select(TextOf).ToList();
        var explained = LogPhrase().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")))
            .Select(x => x.Groups[1].Value).ToList();
        Assert.That(explained, Has.Count.GreaterThan(10));
        Assert.That(explained.Where(x => !texts.Exists(text => Regex.IsMatch(text, string.Join(".*",
            Regex.Replace(x, "[0-9:]{8}", "…").Split('…').Select(Regex.Escape))))), Is.Empty);
    }

    [Test]
    public void Should_not_come_with_exceptions_that_contain_amounts_or_accounts()
    {
        var texts = (from file in Sources()
                     from Match made in NewException().Matches(File.ReadAllText(file))
                     where !made.Value.Contains("RpcException", StringComparison.Ordinal)
                     select (file, made.Value)).ToList();
        Assert.That(texts, Has.Count.GreaterThan(30));
        Assert.That(texts.Where(x => SensitiveValue().IsMatch(x.Value)), Is.Empty);
    }

    static string TextOf(MethodInfo message) => message.GetCustomAttribute<LoggerMessageAttribute>()!.Message;

    static IEnumerable<string> Sources() => Folders.SelectMany(x => Directory.EnumerateFiles(
        Path.Combine(Repository.Root, x), "*.cs", SearchOption.AllDirectories))
        .Where(x => !x.Contains("/obj/", StringComparison.Ordinal));

    [GeneratedRegex("amount|account|balance|total|available|held|captured|content|body|price|money|command",
        RegexOptions.IgnoreCase)]
    private static partial Regex SensitiveName();

    [GeneratedRegex("operator|caller|owner|tenant|token|user|email|address|client|requestId|password|claim",
        RegexOptions.IgnoreCase)]
    private static partial Regex PersonalName();

    [GeneratedRegex(@"\{([^{}]+)\}")]
    private static partial Regex Placeholder();

    [GeneratedRegex("Address|Destination|Exchange|Endpoint")]
    private static partial Regex OtherNameOfQueue();

    [GeneratedRegex("(?m)^\\| log: `([^`]+)`")]
    private static partial Regex LogPhrase();

    [GeneratedRegex(@"\b_?log(ger)?\.Log(Trace|Debug|Information|Warning|Error|Critical)\(", RegexOptions.IgnoreCase)]
    private static partial Regex DirectCall();

    [GeneratedRegex(@"\w*Exception\(\s*(\([^)]*\)\s*switch)?.*?\)\s*[;,)]", RegexOptions.Singleline)]
    private static partial Regex NewException();

    [GeneratedRegex(@"\{message\}|\{[^{}]*(Amount|AccountId|Total|Available\b|Held\b|Captured\b|Balance|Content"
        + @"|\bamount\b)[^{}]*\}")]
    private static partial Regex SensitiveValue();
}
