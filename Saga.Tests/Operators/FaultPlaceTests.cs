using Operations;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_the_place_of_a_failure_is_searched
{
    [TestCase("""
           at Npgsql.NpgsqlDataReader.NextResult(Boolean async)
           at Messaging.Postgres.Commits.Committer`1.CommitAsync(UnitOfWork`1 unit) in /src/Committer.cs:line 12
           at Accounts.FundsHandler.HandleAsync(FundsCommand command) in /src/FundsHandler.cs:line 33
           at Accounts.CaptureFundsConsumer.Consume(ConsumeContext`1 context)
        """, "Accounts.FundsHandler.HandleAsync")]
    [TestCase("   at Orders.OrdersCapturedConsumer.<Consume>d__3.MoveNext()", "Orders.OrdersCapturedConsumer.Consume")]
    [TestCase("   at Accounts.FundsStep.<>c__DisplayClass3_0.<Decide>b__1(Object x)", "Accounts.FundsStep.Decide")]
    [TestCase("""
           at Npgsql.NpgsqlDataReader.NextResult(Boolean async)
           at Messaging.Postgres.Commits.Committer`1.CommitAsync(UnitOfWork`1 unit)
        """, "Messaging.Postgres.Commits.Committer.CommitAsync")]
    [TestCase("   at Npgsql.NpgsqlDataReader.NextResult(Boolean async)", "")]
    [TestCase("", "")]
    public void Should_find_the_first_method_of_a_service(string stackTrace, string place) =>
        Assert.That(FaultPlace.Find(stackTrace), Is.EqualTo(place));
}
