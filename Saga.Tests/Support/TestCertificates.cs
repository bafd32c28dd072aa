using System.Security.Cryptography;
using Saga.Servers;

namespace Saga.Tests.Support;

/// <summary>An authority in a folder that is deleted with it.</summary>
sealed class TestCertificates : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("certificates").FullName;
    readonly CertificateAuthority _authority;

    public TestCertificates(string name) => _authority = new(_folder, name);

    public string CaFile => _authority.CaFile;

    /// <inheritdoc cref="CertificateAuthority.Issue(IReadOnlyList{string})" />
    public (string Certificate, string Key) Issue(params IReadOnlyList<string> names) => _authority.Issue(names);

    /// <summary>Issues one that has expired an hour ago.</summary>
    public (string Certificate, string Key) IssueExpired(string name) =>
        _authority.Issue([name], DateTimeOffset.UtcNow.AddHours(-1), purpose: null);

    /// <summary>Issues one that is for servers only.</summary>
    public (string Certificate, string Key) IssueForServers(string name) =>
        _authority.Issue([name], DateTimeOffset.UtcNow.AddHours(1), new Oid("1.3.6.1.5.5.7.3.1"));

    /// <inheritdoc cref="CertificateAuthority.IssueIndirectly" />
    public (string Certificate, string Key) IssueIndirectly(string name) => _authority.IssueIndirectly(name);

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
