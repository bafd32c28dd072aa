using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Components;
using MudBlazor;
using Service.Defaults;

namespace Operations.Web;

/// <summary>A page with content of the services, and with actions that change it.</summary>
/// <typeparam name="T">The content.</typeparam>
public abstract class LivePage<T> : ComponentBase, IDisposable
    where T : class
{
    static readonly DialogOptions ActionOptions = new() { FullWidth = true, BackdropClick = false };

    readonly CancellationTokenSource _closed = new();
    bool _isAsking;
    int _address; // how often the page has been opened at another address

    [Inject]
    IDialogService Dialogs { get; set; } = null!;

    [Inject]
    Session Session { get; set; } = null!;

    [Inject]
    TimeProvider Time { get; set; } = null!;

    /// <summary>How often the content is read again while the page is open; null: only when it is asked for.</summary>
    protected virtual TimeSpan? Interval => TimeSpan.FromSeconds(5);

    /// <summary>The content; null until it is read.</summary>
    protected T? Content { get; private set; }

    /// <summary>When the content was read; null until it is.</summary>
    protected DateTime? ReadTime { get; private set; }

    /// <summary>Why the content could not be read last; null if it could.</summary>
    protected string? Error { get; private set; }

    /// <summary>Reads the content.</summary>
    protected abstract Task<T> ReadAsync(CancellationToken cancellationToken);

    /// <summary>A time, with its age when the content was read.</summary>
    protected string Since(Timestamp? time) => time == null ? "never" : $"{StoryEvents.Text(time)} ({Ago(time)})";

    /// <summary>The age of a time when the content was read.</summary>
    protected string Ago(Timestamp? time) =>
        time == null ? "never" : $"{PageText.Age(time, ReadTime ?? Time.UtcNow())} ago";

    /// <summary>Begins to read the content again and again.</summary>
    protected override void OnInitialized()
    {
        if (Interval is { } interval)
            _ = RepeatAsync(interval, _closed.Token);
    }

    /// <summary>Reads the content that the address of the page asks for.</summary>
    protected override Task OnParametersSetAsync()
    {
        _address++;
        (Content, ReadTime, Error) = (null, null, null);
        return RefreshAsync();
    }

    async Task RepeatAsync(TimeSpan interval, CancellationToken closed)
    {
        using var timer = new PeriodicTimer(interval, Time);
        try
        {
            while (await timer.WaitForNextTickAsync(closed))
                await InvokeAsync(RefreshAsync);
        }
        catch (OperationCanceledException) when (closed.IsCancellationRequested)
        {
            // the page is closed
        }
    }

    /// <summary>Reads the content again, and shows it or the error.</summary>
    protected async Task RefreshAsync()
    {
        if (_closed.IsCancellationRequested || !await Session.IsValidAsync())
            return;
        var (address, content, error) = (_address, Content, (string?)null);
        try
        {
            content = await ReadAsync(_closed.Token);
        }
        catch (Exception e)
        {
            error = AuditTrail.TextOf(e);
        }

        if (_closed.IsCancellationRequested || address != _address)
            return;
        (Content, Error) = (content, error);
        if (error == null)
            ReadTime = Time.UtcNow();
        StateHasChanged();
    }

    /// <summary>
    /// Reads the content again, asks why an action is wanted, runs it, shows its outcome, and reads the content
    /// once more.
    /// </summary>
    /// <param name="ask">Makes the question from the content; null if there is nothing to do any more.</param>
    protected async Task ConfirmAsync(Func<ActionQuestion?> ask)
    {
        ArgumentNullException.ThrowIfNull(ask);
        if (_isAsking)
            return;
        _isAsking = true;
        try
        {
            await RefreshAsync();
            if (ask() is not { } question)
                return;
            var parameters = new DialogParameters<ActionDialog> { { x => x.Question, question } };
            var dialog = await Dialogs.ShowAsync<ActionDialog>(question.Title, parameters, ActionOptions);
            await dialog.Result;
            await RefreshAsync();
        }
        finally
        {
            _isAsking = false;
        }
    }

    /// <summary>Ends what the page still reads.</summary>
    public void Dispose()
    {
        _closed.Cancel();
        GC.SuppressFinalize(this);
    }
}
