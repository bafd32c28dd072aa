using JasperFx;
using JasperFx.Resources;
using Saga.Wolverine;
using Wolverine;

var builder = WebApplication.CreateBuilder(args);
var role = Role.Find(builder.Configuration["Role"]);
await using var database = WolverineSettings.Connect(Setting("ConnectionStrings:Database"));
var broker = new Uri(Setting("ConnectionStrings:RabbitMq"));
builder.Services.AddGrpc();
builder.Services.AddSingleton(database);
role.AddServices(builder.Services);
builder.Host.UseWolverine(options =>
{
    WolverineSettings.Configure(options, database, broker);
    role.ConfigureMessages(options);
    if (builder.Configuration["GeneratedFolder"] is { } folder)
        options.CodeGeneration.GeneratedCodeOutputPath = folder;
});
builder.Host.UseResourceSetupOnStartup();

var app = builder.Build();
role.MapApi(app);
app.MapGet("/health/ready", () => "ready");
if (args is ["codegen", ..])
    return await app.RunJasperFxCommands(args);

await using (var schema = database.CreateCommand(role.Schema))
    await schema.ExecuteNonQueryAsync();
await app.RunAsync();
return 0;

string Setting(string name) =>
    builder.Configuration[name] ?? throw new InvalidOperationException($"the setting {name} is missing");
