using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Service.Defaults;

/// <summary>Puts a middleware before all others, whatever the service adds.</summary>
sealed class OutermostMiddleware<T> : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.UseMiddleware<T>();
        next(app);
    };
}
