using k8s;
using k8s.Models;

namespace Saga.Tests.Deployment;

/// <summary>
/// What the manifests use of the resources of the operators, which the Kubernetes client does not know.
/// </summary>
abstract class CustomResource<TSpec> : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
    public TSpec Spec { get; set; } = default!;
}

/// <summary>A database of CloudNativePG.</summary>
sealed class PostgresCluster : CustomResource<PostgresClusterSpec>;

sealed class PostgresClusterSpec
{
    public int Instances { get; set; }
    public PostgresSettings Postgresql { get; set; } = null!;
    public PostgresBootstrap Bootstrap { get; set; } = null!;
    public PostgresRoles Managed { get; set; } = null!;
    public Dictionary<string, string> Storage { get; set; } = [];
    public V1ResourceRequirements Resources { get; set; } = null!;
    public Dictionary<string, string> Affinity { get; set; } = [];
}

sealed class PostgresSettings
{
    public Dictionary<string, string> Synchronous { get; set; } = [];
    public Dictionary<string, string> Parameters { get; set; } = [];
}

sealed class PostgresBootstrap
{
    public PostgresInit Initdb { get; set; } = null!;
}

sealed class PostgresInit
{
    public string Database { get; set; } = "";
    public string Owner { get; set; } = "";
    public V1LocalObjectReference Secret { get; set; } = null!;
    public List<string> PostInitApplicationSQL { get; set; } = [];
}

sealed class PostgresRoles
{
    public List<PostgresRole> Roles { get; set; } = [];
}

sealed class PostgresRole
{
    public string Name { get; set; } = "";
    public string Ensure { get; set; } = "";
    public bool Login { get; set; }
    public V1LocalObjectReference PasswordSecret { get; set; } = null!;
}

/// <summary>A broker of the RabbitMQ cluster operator.</summary>
sealed class BrokerCluster : CustomResource<BrokerClusterSpec>;

sealed class BrokerClusterSpec
{
    public int Replicas { get; set; }
    public string Image { get; set; } = "";
    public Dictionary<string, string> Persistence { get; set; } = [];
    public V1ResourceRequirements Resources { get; set; } = null!;
    public BrokerSettings Rabbitmq { get; set; } = null!;
    public V1Affinity Affinity { get; set; } = null!;
}

sealed class BrokerSettings
{
    public List<string> AdditionalPlugins { get; set; } = [];
    public string AdditionalConfig { get; set; } = "";
}

/// <summary>A virtual host of RabbitMQ's messaging topology operator.</summary>
sealed class BrokerHost : CustomResource<BrokerHostSpec>;

sealed class BrokerHostSpec
{
    public string Name { get; set; } = "";
    public string DefaultQueueType { get; set; } = "";
    public V1LocalObjectReference RabbitmqClusterReference { get; set; } = null!;
}

/// <summary>A user of the broker.</summary>
sealed class BrokerUser : CustomResource<BrokerUserSpec>;

sealed class BrokerUserSpec
{
    public List<string> Tags { get; set; } = [];
    public V1LocalObjectReference ImportCredentialsSecret { get; set; } = null!;
    public V1LocalObjectReference RabbitmqClusterReference { get; set; } = null!;
}

/// <summary>The rights of a user of the broker.</summary>
sealed class BrokerPermission : CustomResource<BrokerPermissionSpec>;

sealed class BrokerPermissionSpec
{
    public string Vhost { get; set; } = "";
    public V1LocalObjectReference UserReference { get; set; } = null!;
    public BrokerPermissionRights Permissions { get; set; } = null!;
    public V1LocalObjectReference RabbitmqClusterReference { get; set; } = null!;
}

sealed class BrokerPermissionRights
{
    public string Configure { get; set; } = "";
    public string Write { get; set; } = "";
    public string Read { get; set; } = "";
}
