using Saga.Servers;
using Saga.Services;

namespace Saga.Tests.EndToEnd.Clients;

/// <summary>
/// An installed nginx in front of a service, with its default settings but for the time after which it closes a silent
/// stream, so that a test need not wait for a minute.
/// </summary>
sealed class Nginx : IAsyncDisposable
{
    /// <summary>The time of silence after which nginx closes a stream.</summary>
    public static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(10);

    readonly ChildProcess _process;

    Nginx(ChildProcess process, int grpcPort, int httpPort) => (_process, GrpcAddress, HttpAddress) =
        (process, new Uri($"http://127.0.0.1:{grpcPort}"), new Uri($"http://127.0.0.1:{httpPort}"));

    public Uri GrpcAddress { get; }

    public Uri HttpAddress { get; }

    /// <summary>Starts nginx; ignores the test if it is not installed.</summary>
    public static Nginx Start(InstanceFolder servers, ServiceReplica service)
    {
        var program = new[] { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" }.FirstOrDefault(File.Exists)
            ?? throw new IgnoreException("nginx is not installed");
        var folder = servers.CreateSubfolder(TestServers.NewName("nginx"));
        var (grpc, http) = (Ports.Pick(), Ports.Pick());
        var file = Path.Combine(folder, "nginx.conf");
        File.WriteAllText(file, $$"""
            pid {{folder}}/pid; error_log {{folder}}/error.log; daemon off; worker_processes 1;
            events { worker_connections 768; }
            http {
                access_log off;
                client_body_temp_path {{folder}}/body; proxy_temp_path {{folder}}/proxy;
                fastcgi_temp_path {{folder}}/f; uwsgi_temp_path {{folder}}/u; scgi_temp_path {{folder}}/s;
                server {
                    listen 127.0.0.1:{{grpc}} http2;
                    location / {
                        grpc_pass {{LocalTls.Scheme("grpc")}}://127.0.0.1:{{service.GrpcAddress.Port}};
                        grpc_read_timeout {{ReadTimeout.TotalSeconds}}s;
                    }
                }
                server {
                    listen 127.0.0.1:{{http}};
                    location / {
                        proxy_pass {{LocalTls.Scheme("http")}}://127.0.0.1:{{service.HttpAddress.Port}};
                        proxy_read_timeout {{ReadTimeout.TotalSeconds}}s;
                    }
                }
            }
            """);
        return new Nginx(ChildProcess.Start(servers, Path.GetFileName(folder), [program, "-c", file]), grpc, http);
    }

    public async ValueTask DisposeAsync()
    {
        await _process.StopAsync(Signal.Term, TimeSpan.FromSeconds(5));
        await _process.DisposeAsync();
    }
}
