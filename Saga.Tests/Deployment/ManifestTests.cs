using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using Messaging.RabbitMq;
using Npgsql;
using Saga.Servers;
using Saga.Tests.Support;
using Service.Defaults;

namespace Saga.Tests.Deployment;

/// <summary>What a cluster would say only when somebody installs the system.</summary>
[TestFixture, Category("Unit")]
public sealed partial class When_the_manifests_are_read
{
    static readonly string[] Services = ["order-service", "account-service", "operations-service"];

    /// <summary>The sections of the configuration, with their types; null for those of .NET.</summary>
    static readonly Dictionary<string, Type?> Sections = new()
    {
        ["Messaging"] = typeof(MessagingOptions),
        ["RabbitMq"] = typeof(BrokerOptions),
        ["Authentication"] = typeof(CallerOptions),
        ["Services"] = typeof(Operations.ServiceOptions),
        ["SignIn"] = typeof(Operations.Web.SignInOptions),
        ["Shutdown"] = typeof(ShutdownOptions),
        ["Kestrel"] = null,
        ["Logging"] = null,
    };

    /// <summary>Keys that are read one by one.</summary>
    static readonly string[] Keys =
    [
        "ConnectionStrings__Database", "ConnectionStrings__RabbitMq", "Database__MigrateAtStartup",
        "Database__RuntimeRole", "Database__ReaderRole", "RabbitMq__Management",
        "ASPNETCORE_FORWARDEDHEADERS_ENABLED",
    ];

    [Test]
    public void Should_know_every_field() => Assert.That(Manifests.All, Has.Count.GreaterThan(30));

    [Test]
    public void Should_fail_for_a_field_that_does_not_exist() => Assert.That(() => Manifests.Read("""
        apiVersion: v1
        kind: Service
        metadata: { name: order-service }
        spec: { port: [] }
        """).ToList(), Throws.Exception);

    [Test]
    public void Should_be_all_named_by_kustomize() => Assert.That(
        Resources("base").Concat(Resources("production")),
        Is.EquivalentTo(Manifests.Files.Select(x => Path.GetFileName(x)).Append("../base")));

    [Test]
    public void Should_run_the_images_that_production_names() => Assert.That(
        Containers().Select(x => x.Image).Distinct(), Is.EquivalentTo(ProductionImages()));

    [Test]
    public void Should_set_only_what_the_services_read() => Assert.That(
        Containers().SelectMany(x => x.Env).Select(x => x.Name).Distinct().Where(x => !IsRead(x)), Is.Empty);

    [Test]
    public void Should_open_the_ports_of_the_image_and_probe_them()
    {
        var dockerfile = File.ReadAllText(Path.Combine(Repository.Root, "docker", "service.Dockerfile"));
        var exposed = Exposed().Match(dockerfile).Groups[1].Value.Split(' ').Select(int.Parse).ToList();
        foreach (var service in Services)
        {
            var container = Manifests.Pods[service].Spec.Containers.Single();
            var ports = container.Ports.ToDictionary(x => x.Name, x => x.ContainerPort);
            Assert.That(ports.Values, Is.SubsetOf(exposed), service);
            Assert.That(ports, Has.Count.EqualTo(service == "operations-service" ? 3 : 4), service);
            foreach (var (probe, path) in new[]
            {
                (container.StartupProbe, "/health/ready"), (container.ReadinessProbe, "/health/ready"),
                (container.LivenessProbe, ApiExtensions.LivePath),
            })
            {
                Assert.That(probe.HttpGet.Path, Is.EqualTo(path), service);
                Assert.That(ports[probe.HttpGet.Port.Value], Is.EqualTo(8080), service);
            }
        }
    }

    [Test]
    public void Should_reach_a_port_of_some_pod_by_each_service()
    {
        foreach (var service in Manifests.All.OfType<V1Service>())
        {
            var pods = Manifests.Pods.Values.Where(x => Matches(service.Spec.Selector, x)).ToList();
            Assert.That(pods, Is.Not.Empty, service.Metadata.Name);
            foreach (var port in service.Spec.Ports)
                Assert.That(pods[0].Spec.Containers[0].Ports.Single(x => x.Name == port.TargetPort.Value).ContainerPort,
                    Is.EqualTo(port.Port), service.Metadata.Name);
        }
    }

    /// <summary>The addresses in settings are those of the manifests.</summary>
    [Test]
    public void Should_name_hosts_that_exist()
    {
        var hosts = Manifests.All.OfType<V1Service>().Select(x => x.Metadata.Name)
            .Concat(Manifests.All.OfType<PostgresCluster>().Select(x => $"{x.Metadata.Name}-rw"))
            .Concat(Manifests.All.OfType<BrokerCluster>().Select(x => x.Metadata.Name)).Append("not.used");
        var used = Containers().SelectMany(x => x.Env).Where(x => x.Value != null)
            .Select(x => Host().Match(x.Value)).Where(x => x.Success).Select(x => x.Groups[1].Value).Distinct()
            .ToList();
        Assert.That(used, Has.Count.EqualTo(7));
        Assert.That(used, Is.SubsetOf(hosts));
    }

    [Test]
    public void Should_name_secrets_that_the_script_makes()
    {
        var mounted = Manifests.Pods.Values.SelectMany(x => x.Spec.Volumes).Where(x => x.Secret != null)
            .Select(x => x.Secret.SecretName);
        var clusters = Manifests.All.OfType<PostgresCluster>().ToList();
        var named = mounted
            .Concat(clusters.Select(x => x.Spec.Bootstrap.Initdb.Secret.Name))
            .Concat(clusters.SelectMany(x => x.Spec.Managed.Roles).Select(x => x.PasswordSecret.Name))
            .Concat(Manifests.All.OfType<BrokerUser>().Select(x => x.Spec.ImportCredentialsSecret.Name)).Distinct();
        Assert.That(Manifests.Secrets.Select(x => x.Metadata.Name), Is.EquivalentTo(named));

        foreach (var (secret, keys) in Manifests.Pods.Values.SelectMany(x => x.Spec.Volumes)
            .Where(x => x.Secret != null).Select(x => (x.Secret.SecretName, x.Secret.Items)))
            foreach (var key in keys?.Select(x => x.Key) ?? ["username", "password"])
                Assert.That(Secret(secret).StringData, Contains.Key(key), secret);
    }

    [Test]
    public void Should_have_another_password_in_each_secret_and_at_each_run() => Assert.That(
        Manifests.Secrets.Select(x => x.StringData["password"]).Distinct().Count(x => x.Length == 32),
        Is.EqualTo(Manifests.Secrets.Count));

    [Test]
    public void Should_create_the_roles_that_the_services_and_migrations_use()
    {
        foreach (var cluster in Manifests.All.OfType<PostgresCluster>())
        {
            var init = cluster.Spec.Bootstrap.Initdb;
            var service = cluster.Metadata.Name[..^"-db".Length];
            var roles = cluster.Spec.Managed.Roles.ToDictionary(x => x.Name);
            Assert.That(Secret(init.Secret.Name).StringData["username"], Is.EqualTo(init.Owner));
            foreach (var role in roles.Values)
                Assert.That(Secret(role.PasswordSecret.Name).StringData["username"], Is.EqualTo(role.Name));
            Assert.That(Setting($"{service}-service", "ConnectionStrings__Database"),
                Does.Contain($"Database={init.Database};Username={init.Owner}_runtime;"));
            Assert.That(Setting($"{service}-migration", "ConnectionStrings__Database"),
                Does.Contain($"Database={init.Database};Username={init.Owner};"));
            Assert.That(roles.Keys, Is.EquivalentTo(new[]
            {
                Setting($"{service}-migration", "Database__RuntimeRole"),
                Setting($"{service}-migration", "Database__ReaderRole"),
            }));
        }
    }

    /// <summary>A commit that waits for the standby would succeed when it is cancelled.</summary>
    [Test]
    public void Should_close_the_connection_of_a_commit_that_is_given_up() => Assert.That(
        from cluster in Manifests.All.OfType<PostgresCluster>()
        from role in new[] { "service", "migration" }
        select new NpgsqlConnectionStringBuilder(Setting(
            $"{cluster.Metadata.Name[..^"-db".Length]}-{role}", "ConnectionStrings__Database")).CancellationTimeout,
        Has.Exactly(6).EqualTo(-1));

    [Test]
    public void Should_give_the_users_of_the_broker_the_rights_of_compose()
    {
        var permissions = Manifests.All.OfType<BrokerPermission>().ToDictionary(x => x.Spec.UserReference.Name);
        Assert.That(permissions, Has.Count.EqualTo(3));
        foreach (var (user, permission) in permissions)
        {
            var (expected, rights) = (BrokerRights.Of(user), permission.Spec.Permissions);
            Assert.That((rights.Configure, rights.Write, rights.Read),
                Is.EqualTo((expected.Configure, expected.Write, expected.Read)), user);
            Assert.That(string.Join(',', Manifests.All.OfType<BrokerUser>().Single(x => x.Metadata.Name == user)
                .Spec.Tags), Is.EqualTo(expected.Tags), user);
        }
    }

    [Test]
    public void Should_run_without_rights_on_the_machine()
    {
        foreach (var (name, pod) in Manifests.Pods)
        {
            Assert.That(pod.Spec.SecurityContext.RunAsNonRoot, Is.True, name);
            Assert.That(pod.Spec.SecurityContext.SeccompProfile.Type, Is.EqualTo("RuntimeDefault"), name);
            Assert.That(pod.Spec.AutomountServiceAccountToken, Is.False, name);
            var container = pod.Spec.Containers.Single();
            Assert.That(container.SecurityContext.ReadOnlyRootFilesystem, Is.True, name);
            Assert.That(container.SecurityContext.AllowPrivilegeEscalation, Is.False, name);
            Assert.That(container.SecurityContext.Capabilities.Drop, Is.EqualTo(new[] { "ALL" }), name);
            Assert.That(container.Resources.Limits, Contains.Key("memory"), name);
            Assert.That(container.Resources.Requests, Contains.Key("cpu").And.ContainKey("memory"), name);
        }
    }

    [Test]
    public void Should_wait_for_the_end_of_a_drain()
    {
        foreach (var service in Services)
        {
            var delay = TimeSpan.Parse(Setting(service, "Shutdown__Delay"),
                System.Globalization.CultureInfo.InvariantCulture);
            Assert.That(TimeSpan.FromSeconds((double)Manifests.Pods[service].Spec.TerminationGracePeriodSeconds!),
                Is.GreaterThan(delay + ShutdownLimit.StopTime + TimeSpan.FromSeconds(2)), service);
        }
    }

    [Test]
    public void Should_keep_and_add_replicas_of_both_services()
    {
        foreach (var service in Services[..2])
        {
            var budget = Manifests.All.OfType<V1PodDisruptionBudget>().Single(x => x.Metadata.Name == service);
            Assert.That(Matches(budget.Spec.Selector.MatchLabels, Manifests.Pods[service]), Is.True);
            var scaler = Manifests.All.OfType<V2HorizontalPodAutoscaler>().Single(x => x.Metadata.Name == service);
            Assert.That((scaler.Spec.ScaleTargetRef.Kind, scaler.Spec.ScaleTargetRef.Name),
                Is.EqualTo(("Deployment", service)));
            Assert.That(scaler.Spec.MinReplicas, Is.GreaterThanOrEqualTo(2));
            var metric = scaler.Spec.Metrics.Single().External.Metric.Name;
            Assert.That(File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")),
                Does.Contain($"| `{metric.Replace('_', '.')}` | gauge"));
            Assert.That(Manifests.Pods[service].Spec.TopologySpreadConstraints.Select(x => x.LabelSelector.MatchLabels),
                Is.All.Matches<IDictionary<string, string>>(x => Matches(x, Manifests.Pods[service])));
        }
    }

    [Test]
    public void Should_let_nobody_connect_but_those_that_must()
    {
        var policies = Manifests.All.OfType<V1NetworkPolicy>().ToList();
        Assert.That(policies.Single(x => x.Spec.PodSelector.MatchLabels is not { Count: > 0 }).Spec.Ingress,
            Is.Null.Or.Empty, "what no policy allows is denied");
        foreach (var (name, pod) in Manifests.Pods)
        {
            var policy = policies.Single(x => Matches(x.Spec.PodSelector.MatchLabels, pod));
            Assert.That(policy.Spec.PolicyTypes, Has.Member("Egress"), name);
            var allowed = policy.Spec.Ingress?.SelectMany(x => x.Ports).Select(x => x.Port.Value) ?? [];
            var ports = pod.Spec.Containers[0].Ports?.Select(x => x.Name) ?? [];
            Assert.That(allowed, Is.EquivalentTo(ports), name);
        }

        foreach (var database in Manifests.All.OfType<PostgresCluster>().Select(x => x.Metadata.Name))
        {
            var service = database[..^"-db".Length];
            var clients = policies.Single(x => x.Metadata.Name == database).Spec.Ingress
                .Where(x => x.Ports.Any(y => y.Port.Value == "5432")).SelectMany(x => x.FromProperty)
                .Select(x => x.PodSelector?.MatchLabels.Values.Single()
                    ?? x.NamespaceSelector.MatchLabels.Values.Single());
            Assert.That(clients, Is.EquivalentTo(new[]
            {
                $"{service}-service", $"{service}-migration", database, "cnpg-system",
            }));
        }
    }

    static IEnumerable<V1Container> Containers() => Manifests.Pods.Values.SelectMany(x => x.Spec.Containers);

    static V1Secret Secret(string name) => Manifests.Secrets.Single(x => x.Metadata.Name == name);

    static string Setting(string pod, string name) =>
        Manifests.Pods[pod].Spec.Containers[0].Env.Single(x => x.Name == name).Value;

    static bool Matches(IDictionary<string, string>? selector, V1PodTemplateSpec pod) =>
        selector is { Count: > 0 } && selector.All(x =>
            pod.Metadata.Labels.TryGetValue(x.Key, out var value) && value == x.Value);

    static bool IsRead(string name)
    {
        if (Keys.Contains(name))
            return true;
        var parts = name.Split("__");
        return Sections.TryGetValue(parts[0], out var type) && (type == null || type.GetProperty(parts[1]) != null);
    }

    static IEnumerable<string> Resources(string folder) =>
        File.ReadLines(Path.Combine(Manifests.Folder, folder, "kustomization.yaml"))
            .SkipWhile(x => x != "resources:").Skip(1).TakeWhile(x => x.StartsWith("  - ", StringComparison.Ordinal))
            .Select(x => x[4..]);

    static IEnumerable<string> ProductionImages() =>
        Image().Matches(File.ReadAllText(Path.Combine(Manifests.Folder, "production", "kustomization.yaml")))
            .Select(x => x.Groups[1].Value);

    [GeneratedRegex(@"(?:Host=|://)([\w.-]+)")]
    private static partial Regex Host();

    [GeneratedRegex(@"^EXPOSE ([\d ]+)$", RegexOptions.Multiline)]
    private static partial Regex Exposed();

    [GeneratedRegex(@"- \{ name: (ordersaga/[\w-]+),")]
    private static partial Regex Image();
}
