using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Npgsql;

namespace Messaging.Postgres.Commits;

/// <summary>
/// The message is in the inbox already. A conflict like any other: if the inbox cannot be asked then, it is tried again.
/// </summary>
sealed class RepeatedMessageException() : DbUpdateConcurrencyException("The message is consumed already");

/// <summary>A unit of work on its way into a group that commits together.</summary>
class GroupMember<TDbContext>(UnitOfWork<TDbContext> unit) where TDbContext : DbContext
{
    readonly TaskCompletionSource _committed = new();
    Exception? _error;
    volatile bool _hasEnded;
    IReadOnlyList<object>? _keys;
    IReadOnlyList<object>? _unknown;

    /// <summary>What the unit has changed.</summary>
    public IReadOnlyList<EntityEntry> Changed { get; private set; } = [];

    /// <summary>The message that the unit consumes, by its consumer; none outside a consumer.</summary>
    public IReadOnlyList<object> Message { get; } = unit.Consumed is { } consumed ? [(consumed.MessageId, consumed.ConsumerId)] : [];

    /// <summary>What no two members of a group may have in common: the message, a row.</summary>
    public IReadOnlyList<object> Keys => _keys ?? Message;

    /// <summary>What it may have to wait for in the database: the rows that it changes or asks about.</summary>
    public virtual IReadOnlyList<object> Contended => Keys.Count > 0 ? Keys : _unknown ??= [new object()];

    /// <summary>Takes note of the changes, when the handler has ended; on its own flow, for contexts are not to be shared.</summary>
    public void Look()
    {
        Changed = [.. unit.DbContext.ChangeTracker.Entries().Where(x => x.State is EntityState.Added or EntityState.Modified or EntityState.Deleted)];
        _keys = [.. Message, .. Changed.Select(x => (object)(x.Metadata, string.Join('|', x.Metadata.FindPrimaryKey()!.Properties.Select(p => x.CurrentValues[p]))))];
    }

    /// <summary>Where it waits, or waited last: who leads there tells it how it ended.</summary>
    public Lane<TDbContext>? Lane { get; set; }

    public UnitOfWork<TDbContext> Unit => unit;
    public Task Committed => _committed.Task;

    /// <summary>It is known how it ended.</summary>
    public bool HasEnded => _hasEnded;

    /// <summary>It is committed.</summary>
    public bool HasSucceeded => _hasEnded && _error == null;

    public void Succeed() => _hasEnded = true;

    public virtual void Fail(Exception error) => (_error, _hasEnded) = (error, true);

    /// <summary>Lets the one who waits go on, if it is known how it ended.</summary>
    /// <param name="here">On this thread, before the call returns; else on one of the pool.</param>
    public void Tell(bool here)
    {
        if (_hasEnded)
            Flow.GoOn(here, () => _ = _error == null ? _committed.TrySetResult() : _committed.TrySetException(_error));
    }
}

/// <summary>One that asks something of a step that is taken for the whole group, before its handler can go on.</summary>
abstract class AskingMember<TDbContext>(UnitOfWork<TDbContext> unit) : GroupMember<TDbContext>(unit) where TDbContext : DbContext
{
    readonly TaskCompletionSource<bool> _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public abstract object Step { get; }

    /// <summary>True when the handler has ended and wants its unit committed; false when it has failed.</summary>
    public Task<bool> Arrived => _arrived.Task;

    public void Arrive() => _arrived.TrySetResult(true);

    public void Abandon() => _arrived.TrySetResult(false);

    public abstract void Load(NpgsqlBatch batch, IReadOnlyList<AskingMember<TDbContext>> group);

    /// <summary>Decides for all; nobody is told yet.</summary>
    /// <returns>The statements, and those that have failed alone.</returns>
    public abstract Task<(IReadOnlyList<NpgsqlBatchCommand> Statements, IReadOnlyList<AskingMember<TDbContext>> Failed)> Decide(
        NpgsqlDataReader rows, IReadOnlyList<AskingMember<TDbContext>> fresh, CancellationToken cancellationToken);

    /// <summary>Gives the handler its result.</summary>
    /// <inheritdoc cref="GroupMember{TDbContext}.Tell" path="/param" />
    public abstract void Answer(bool here);
}

sealed class AskingMember<TDbContext, TRequest, TResult>(UnitOfWork<TDbContext> unit, IBatchStep<TRequest, TResult> step, TRequest request)
    : AskingMember<TDbContext>(unit)
    where TDbContext : DbContext
{
    readonly TaskCompletionSource<TResult> _told = new();
    (TResult? Value, Exception? Error) _result;

    public override object Step => step;

    public override IReadOnlyList<object> Contended { get; } = [(step, step.RowOf(request))];

    public Task<TResult> Told => _told.Task;

    public override void Load(NpgsqlBatch batch, IReadOnlyList<AskingMember<TDbContext>> group) => step.Load(batch, Requests(group));

    public override async Task<(IReadOnlyList<NpgsqlBatchCommand>, IReadOnlyList<AskingMember<TDbContext>>)> Decide(NpgsqlDataReader rows,
        IReadOnlyList<AskingMember<TDbContext>> fresh, CancellationToken cancellationToken)
    {
        var decision = await step.Decide(rows, Requests(fresh), cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < fresh.Count; i++)
            Same(fresh[i])._result = decision.Results[i];
        return (decision.Statements, [.. fresh.Where(x => Same(x)._result.Error != null)]);
    }

    public override void Answer(bool here)
    {
        if (_result.Error is { } error)
            Fail(error);
        else
            Flow.GoOn(here, () => _told.TrySetResult(_result.Value!));
    }

    /// <summary>Also for a handler that goes on in spite of what it was told.</summary>
    public override void Fail(Exception error)
    {
        base.Fail(error);
        _ = Committed.ContinueWith(x => x.Exception, TaskContinuationOptions.ExecuteSynchronously); // nobody may wait for it
        Flow.GoOn(here: false, () => _told.TrySetException(error));
        _ = _told.Task.ContinueWith(x => x.Exception, TaskContinuationOptions.ExecuteSynchronously);
    }

    static TRequest[] Requests(IReadOnlyList<AskingMember<TDbContext>> members) => [.. members.Select(x => Same(x).Request)];

    static AskingMember<TDbContext, TRequest, TResult> Same(AskingMember<TDbContext> member) => (AskingMember<TDbContext, TRequest, TResult>)member;

    TRequest Request => request;
}
