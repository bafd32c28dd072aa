using Operations;
using Operations.V1;

namespace Saga.Tests.Operators;

[TestFixture, Category("Unit")]
public sealed class When_there_are_many_dead_letters
{
    static DeadLetterMessage Letter(int length, string trace) => new()
    {
        Cause = new DeadLetterCause(DeadLetterKind.Failed, "capture-funds", "", "X", ""),
        MessageId = "1",
        OrderIds = [],
        Reason = "",
        Body = new string('x', length),
        StackTrace = trace,
    };

    [Test]
    public void Should_keep_all_of_them_but_a_bounded_amount_of_text()
    {
        var found = new FoundLetters();
        for (var i = 0; i < 100; i++)
            found.Add(Letter(FoundLetters.MaxText / 50, $"at {i}"));
        Assert.That(found.Letters, Has.Count.EqualTo(100));
        Assert.That(found.Letters.Sum(x => (long)x.Body.Length + x.StackTrace.Length),
            Is.LessThan(FoundLetters.MaxText + 10_000));
        Assert.That(found.Letters[0].Body, Has.Length.EqualTo(FoundLetters.MaxText / 50), "the oldest are shown");
        Assert.That(found.Letters[^1].Body, Does.StartWith("(too many"));
    }

    [Test]
    public void Should_keep_a_stack_trace_once()
    {
        var found = new FoundLetters();
        for (var i = 0; i < 3; i++)
            found.Add(Letter(1, new string('t', 10)));
        Assert.That(found.Letters.Select(x => x.StackTrace), Has.All.SameAs(found.Letters[0].StackTrace));
    }
}
