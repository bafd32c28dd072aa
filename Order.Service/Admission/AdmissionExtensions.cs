using Microsoft.AspNetCore.Builder;

namespace Orders;

/// <summary>Registers admission control.</summary>
static class AdmissionExtensions
{
    /// <summary>Adds admission control, and its options <c>Admission</c>.</summary>
    public static void AddAdmission(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<AdmissionOptions>().BindConfiguration("Admission")
            .ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<AdmissionQueries>().AddSingleton<KnownRequests>();
        builder.Services.AddSingleton<AdmissionControl>()
            .AddHostedService(x => x.GetRequiredService<AdmissionControl>());
    }

    /// <summary>Routes calls through <see cref="AdmissionGate" />.</summary>
    public static void UseAdmission(this WebApplication app) => app.UseMiddleware<AdmissionGate>();
}
