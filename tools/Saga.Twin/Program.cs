using Saga.Twin;

var builder = WebApplication.CreateBuilder(args);
var role = Setting("Role") switch
{
    "order" => OrderRole.Role,
    "account" => AccountRole.Role,
    var unknown => throw new InvalidOperationException($"Role must be order or account; it is {unknown}"),
};
await using var database = Postgres.Connect(Setting("ConnectionStrings:Database"));
await using var broker = await Broker.ConnectAsync(new Uri(Setting("ConnectionStrings:RabbitMq")));
await using (var schema = database.CreateCommand(Postgres.CommonSchema + role.Schema))
    await schema.ExecuteNonQueryAsync();

builder.Services.AddGrpc();
builder.Services.AddSingleton(database).AddSingleton(broker).AddSingleton<Outbox>();
builder.Services.AddHostedService<OutboxCleanup>();
role.AddServices(builder.Services);

var app = builder.Build();
role.MapApi(app);
app.MapGet("/health/ready", () => "ready");
await app.RunAsync();

string Setting(string name) =>
    builder.Configuration[name] ?? throw new InvalidOperationException($"the setting {name} is missing");
