using Orders;
using Service.Defaults;

var builder = WebApplication.CreateBuilder(args);
builder.AddObservability("order-service");
builder.AddApi<OrderDbContext>();
builder.AddCallers();
builder.AddOperations();
builder.AddOrderApi();
builder.AddOrderOperations();
builder.AddWarmUpCalls(OrderWarmUp.Calls);
builder.AddDatabase<OrderDbContext>();
builder.AddArchive();
builder.AddOrderSaga();
builder.AddAdmission();
builder.AddOrderWatcher();

var app = builder.Build();
if (!await app.MigrateAsync<OrderDbContext>(args))
    return;
await app.WarmUpAsync<OrderDbContext>(OrderWarmUp.RunAsync);
app.UseCallers();
app.UseAdmission();
app.MapApi();
app.MapOrderApi();
app.MapOperations<OrderOperationsService>();
app.MapOperations<MessagingOperationsService<OrderDbContext>>();
await app.RunServiceAsync();
