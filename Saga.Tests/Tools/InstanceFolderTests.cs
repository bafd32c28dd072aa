using Saga.Servers;
using Wait = Saga.Servers.Wait;

namespace Saga.Tests.Tools;

[TestFixture, Category("Unit")]
public sealed class When_a_run_ends
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);

    [Test]
    public async Task Should_leave_no_process_even_if_it_is_killed()
    {
        using var folder = InstanceFolder.Create();
        await using var child = ChildProcess.Start(folder, "child", ["sleep", "60"]);
        await using var other = ChildProcess.Start(folder, "other", ["sh", "-c", "exec sleep 60"]);
        Assert.That(child.HasExited || other.HasExited, Is.False);
        folder.Abandon();
        await Wait.UntilAsync(() => Task.FromResult(child.HasExited && other.HasExited), MaxWait,
            () => "the processes to end");
    }
}
