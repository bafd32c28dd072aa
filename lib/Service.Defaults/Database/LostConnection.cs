using Messaging.Postgres;

namespace Service.Defaults;

/// <summary>Repeats work whose connection to the database was lost, so that the client need not see the loss.</summary>
public static class LostConnection
{
    /// <summary>Whatever has ended one connection has ended the others after this pause.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs work, and once more on another connection if its connection was lost.</summary>
    /// <param name="work">The work. It may be committed when its connection is lost.</param>
    /// <param name="mayRepeat">
    /// Whether a second run has no second effect, asked when the connection is lost; without it, it never has one.
    /// </param>
    public static async Task<T> RepeatAsync<T>(Func<Task<T>> work, Func<bool>? mayRepeat = null)
    {
        ArgumentNullException.ThrowIfNull(work);
        try
        {
            return await work();
        }
        catch (Exception e) when (PostgresErrors.IsConnectionLost(e) && mayRepeat?.Invoke() != false)
        {
            await Task.Delay(Pause);
            return await work();
        }
    }

    /// <inheritdoc cref="RepeatAsync{T}" />
    public static Task RepeatAsync(Func<Task> work) => RepeatAsync(async () =>
    {
        await work();
        return true;
    });
}
