using Grpc.Net.Client;
using Operations.V1;
using Saga.Drill;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Operators;

/// <summary>Runs the service for operators beside both services.</summary>
public abstract class OperatorFixture : SystemFixture
{
    protected const string Operator = "alice";
    protected const string Reason = "a test";

    protected override OrderSystemOptions Options => new() { WithOperations = true };

    protected override IReadOnlyDictionary<string, string> Settings => new Dictionary<string, string>
    {
        ["Saga__ResendDelay"] = "00:05:00",
        ["Saga__MaxResendDelay"] = "00:05:00",
        ["Reconciliation__Grace"] = "00:00:02",
        ["Reconciliation__RecheckDelay"] = "00:00:00.5",
    };

    /// <summary>The token of the operator.</summary>
    protected static string Token { get; } = TokenIssuer.Instance.Sign(Operator, "admin");

    protected OperationsService.OperationsServiceClient Operations => new(_channel!);

    GrpcChannel? _channel;

    [OneTimeSetUp]
    public void Connect() => _channel = System.Operations!.ConnectAs(Token);

    [OneTimeTearDown]
    public void Disconnect() => _channel?.Dispose();

    /// <summary>Runs a command for operators.</summary>
    protected Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) =>
        new OpsCommand(System.Operations!.GrpcAddress, Token).RunAsync(arguments);

    protected async Task<IReadOnlyList<DeadLetterGroup>> DeadLettersAsync() =>
        [.. (await Operations.ListDeadLettersAsync(new ListDeadLettersRequest())).Groups];

    protected async Task<Explanation> ExplainAsync(string orderId) =>
        await Operations.ExplainAsync(new ExplainRequest { OrderId = orderId });

    /// <summary>The lines of the audit trail about an action, the oldest first.</summary>
    protected async Task<IReadOnlyList<AuditRecord>> AuditTrailAsync(string action) =>
        [.. (await Operations.ListAuditAsync(new ListAuditRequest { PageSize = 1000 })).Records
            .Where(x => x.Action == action).Reverse()];
}
