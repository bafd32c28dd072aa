using Accounts;
using Service.Defaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddObservability("account-service");
builder.AddApi<AccountDbContext>();
builder.AddCallers();
builder.AddOperations();
builder.AddAccountApi();
builder.AddAccountOperations();
builder.AddDatabase<AccountDbContext>();
builder.AddArchive();
builder.AddFunds();

var app = builder.Build();
if (!await app.MigrateAsync<AccountDbContext>(args))
    return;
await app.WarmUpAsync<AccountDbContext>(FundsWarmUp.RunAsync);
app.UseCallers();
app.MapApi();
app.MapAccountApi();
app.MapOperations<AccountOperationsService>();
app.MapOperations<MessagingOperationsService<AccountDbContext>>();
await app.RunServiceAsync();
