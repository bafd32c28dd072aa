namespace Saga.Tests;

/// <summary>The folder that the tests were built in.</summary>
static class Repository
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    static string Find(DirectoryInfo? folder) => folder == null
        ? throw new InvalidOperationException("OrderSaga.sln is in no folder above the tests")
        : File.Exists(Path.Combine(folder.FullName, "OrderSaga.sln")) ? folder.FullName : Find(folder.Parent);
}
