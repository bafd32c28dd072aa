using Saga.Servers;

namespace Saga.Tests.Support;

/// <summary>An authority in a folder that is deleted with it.</summary>
sealed class TestCertificates : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("certificates").FullName;
    readonly CertificateAuthority _authority;

    public TestCertificates(string name) => _authority = new(_folder, name);

    public string CaFile => _authority.CaFile;

    /// <inheritdoc cref="CertificateAuthority.Issue" />
    public (string Certificate, string Key) Issue(params IReadOnlyList<string> names) => _authority.Issue(names);

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
