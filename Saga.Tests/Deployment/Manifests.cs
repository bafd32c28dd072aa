using System.Diagnostics;
using k8s;
using k8s.Models;
using Saga.Tests.Support;

namespace Saga.Tests.Deployment;

/// <summary>The manifests in deploy/kubernetes/, read strictly: an unknown or misspelled field is an error.</summary>
static class Manifests
{
    static readonly Dictionary<string, Type> CustomTypes = new()
    {
        ["postgresql.cnpg.io/v1/Cluster"] = typeof(PostgresCluster),
        ["rabbitmq.com/v1beta1/RabbitmqCluster"] = typeof(BrokerCluster),
        ["rabbitmq.com/v1beta1/Vhost"] = typeof(BrokerHost),
        ["rabbitmq.com/v1beta1/User"] = typeof(BrokerUser),
        ["rabbitmq.com/v1beta1/Permission"] = typeof(BrokerPermission),
    };

    /// <summary>The folder.</summary>
    public static string Folder { get; } = Path.Combine(Repository.Root, "deploy", "kubernetes");

    /// <summary>The files that kustomize reads besides its own.</summary>
    public static IReadOnlyList<string> Files { get; } =
    [
        .. Directory.GetFiles(Path.Combine(Folder, "base"), "*.yaml")
            .Where(x => Path.GetFileName(x) != "kustomization.yaml"),
        Path.Combine(Folder, "production", "namespace.yaml"),
    ];

    /// <summary>All objects.</summary>
    public static IReadOnlyList<object> All { get; } = [.. Files.SelectMany(x => Read(File.ReadAllText(x)))];

    /// <summary>The secrets that deploy/kubernetes/new-secrets prints.</summary>
    public static IReadOnlyList<V1Secret> Secrets { get; } = [.. Read(RunNewSecrets()).Cast<V1Secret>()];

    /// <summary>The pods of all deployments and jobs, by the name of their owner.</summary>
    public static IReadOnlyDictionary<string, V1PodTemplateSpec> Pods { get; } = All.OfType<V1Deployment>()
        .Select(x => (x.Metadata.Name, x.Spec.Template))
        .Concat(All.OfType<V1Job>().Select(x => (x.Metadata.Name, x.Spec.Template)))
        .ToDictionary(x => x.Name, x => x.Template);

    /// <summary>Reads the objects of a file.</summary>
    public static IEnumerable<object> Read(string yaml) =>
        KubernetesYaml.LoadAllFromString(yaml, CustomTypes, strict: true);

    static string RunNewSecrets()
    {
        using var process = Process.Start(new ProcessStartInfo("sh", [Path.Combine(Folder, "new-secrets")])
        {
            RedirectStandardOutput = true,
        })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero);
        return output;
    }
}
