using Issuer;

var builder = WebApplication.CreateBuilder(args);
builder.AddDevelopmentIssuer();

var app = builder.Build();
app.MapHealthChecks("/health/ready");
await app.RunAsync();
