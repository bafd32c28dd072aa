using System.Diagnostics;
using Messaging.Postgres.Observability;

namespace Messaging.Postgres.Commits;

/// <summary>A unit of work that waits for its commit.</summary>
/// <param name="request">The unit's request to a batch step; null if it runs none.</param>
abstract class GroupMember(StepRequest? request)
{
    readonly TaskCompletionSource _committed = new();
    Exception? _error;
    volatile bool _hasEnded;
    IReadOnlyList<object>? _unknown;

    /// <summary>The unit's request to a batch step; null if it runs none.</summary>
    public StepRequest? Request => request;

    /// <summary>The span in which the unit works; null if it is not traced.</summary>
    public Activity? Span { get; } = MessageSpans.Current;

    /// <summary>Completes when the unit is durable, or fails with the reason why it is not.</summary>
    public Task Committed => _committed.Task;

    /// <summary>The queue in which the member waits, or waited last; its loop completes the member.</summary>
    public CommitQueue? Queue { get; set; }

    /// <summary>The message that the unit consumes, with its consumer; empty outside a consumer.</summary>
    public abstract IReadOnlyList<object> Message { get; }

    /// <summary>The message and the rows that no two members of a group may have in common.</summary>
    public abstract IReadOnlyList<object> Keys { get; }

    /// <summary>
    /// The rows whose locks the unit needs. If they are unknown, a unique object, so that the unit shares a quarantine
    /// queue with no other unit.
    /// </summary>
    public IReadOnlyList<object> Contended =>
        request?.Contended ?? (Keys.Count > 0 ? Keys : _unknown ??= [new object()]);

    /// <summary>Whether the outcome is known.</summary>
    public bool HasEnded => _hasEnded;

    /// <summary>Whether the unit is committed.</summary>
    public bool HasSucceeded => _hasEnded && _error == null;

    public void Succeed() => _hasEnded = true;

    public void Fail(Exception error)
    {
        (_error, _hasEnded) = (error, true);
        if (request == null)
            return;
        // A handler that has failed awaits no commit, and one that swallows the step's error cannot commit.
        TaskStarter.Observe(Committed);
        request.Fail(error);
    }

    /// <summary>Completes <see cref="Committed" /> if the outcome is known.</summary>
    public void Complete()
    {
        if (_hasEnded)
            _ = _error == null ? _committed.TrySetResult() : _committed.TrySetException(_error);
    }
}
