namespace Saga.Tests.Support;

/// <summary>The repository that the tests were built from.</summary>
static class Repository
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    static string Find(DirectoryInfo? folder) => folder == null
        ? throw new InvalidOperationException("no folder above the tests contains OrderSaga.sln")
        : File.Exists(Path.Combine(folder.FullName, "OrderSaga.sln")) ? folder.FullName : Find(folder.Parent);
}
