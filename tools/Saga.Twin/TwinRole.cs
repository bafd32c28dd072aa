namespace Saga.Twin;

/// <summary>The parts in which the two processes of the twin differ.</summary>
/// <param name="Schema">The SQL that creates the role's tables.</param>
/// <param name="AddServices">Registers the role's message handlers.</param>
/// <param name="MapApi">Maps the role's gRPC service.</param>
sealed record TwinRole(string Schema, Action<IServiceCollection> AddServices, Action<WebApplication> MapApi);
