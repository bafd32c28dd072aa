using Operations;
using Operations.Web;
using Service.Defaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddObservability("operations-service");
builder.AddApi<OperationsDbContext>();
builder.AddCallers(SignInPage.Cookie);
builder.AddDatabase<OperationsDbContext>();
builder.AddOperationsApi();
builder.AddOperationsPage();

var app = builder.Build();
if (!await app.MigrateAsync<OperationsDbContext>(args))
    return;
app.UseCallers();
app.MapApi();
app.MapOperationsApi();
app.MapOperationsPage();
await app.RunServiceAsync();
