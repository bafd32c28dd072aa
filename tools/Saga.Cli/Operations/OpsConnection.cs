using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Operations.V1;
using Saga.Services;
using Spectre.Console;

namespace Saga.Cli;

/// <summary>The options that all commands for operators have, and the call that they make.</summary>
sealed class OpsConnection
{
    /// <summary>Everything is as it should be, or was done.</summary>
    public const int Done = 0;

    /// <summary>Something does not match, or was not done.</summary>
    public const int Found = 1;

    /// <summary>The call has failed.</summary>
    public const int Failed = 2;

    const int Cancelled = 130;
    const int FileColumns = 500;

    static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    const string DefaultAddress = "http://127.0.0.1:5301";

    readonly Option<Uri?> _address = CliOptions.Address("--address",
        $"The address of Operations.Service, by gRPC; {DefaultAddress} by default.", DefaultAddress);

    readonly Option<FileInfo> _certificate = new("--certificate")
    {
        Description = "The PEM file of the certificate that you present, if Operations.Service wants one.",
        Recursive = true,
    };

    readonly Option<FileInfo> _key = new("--key")
    {
        Description = "The PEM file of its key, without a password; by default the same file.",
        Recursive = true,
    };

    readonly Option<bool> _json = new("--json")
    {
        Description = "Prints the response as JSON; each message of a stream is a line.",
        Recursive = true,
    };

    readonly Option<string> _operator = new("--operator")
    {
        Description = "For whom you act, in the audit trail; it has the subject of your token in any case.",
        DefaultValueFactory = _ => Environment.UserName,
        Recursive = true,
    };

    /// <summary>Adds the options to a command and the commands below it.</summary>
    public void AddTo(Command command)
    {
        _address.Recursive = true;
        command.Add(_address);
        foreach (var file in (Option<FileInfo>[])[_certificate, _key])
            command.Add(file.AcceptExistingOnly());
        command.Add(_json);
        command.Add(_operator);
    }

    /// <summary>Gives a command its call.</summary>
    /// <param name="command">The command.</param>
    /// <param name="run">Makes the call, prints the response, and returns the exit code.</param>
    public void SetAction(Command command,
        Func<OperationsService.OperationsServiceClient, OpsRun, ParseResult, Task<int>> run) =>
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var console = WideConsole.Create(FileColumns);
            var address = parsed.GetValue(_address) ?? new Uri(DefaultAddress);
            var handler = new SocketsHttpHandler { UseProxy = false };
            try
            {
                if (Read(parsed.GetValue(_certificate), parsed.GetValue(_key)) is { } certificate)
                    // Whatever authorities the service names.
                    handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
            }
            catch (CryptographicException e)
            {
                await Console.Error.WriteLineAsync($"the certificate cannot be read: {e.Message}");
                return Failed;
            }

            using var channel = BearerCredentials.Connect(address, options: new GrpcChannelOptions
            {
                HttpHandler = handler,
                DisposeHttpClient = true,
                MaxReceiveMessageSize = null,
            });
            try
            {
                return await run(new OperationsService.OperationsServiceClient(channel),
                    new OpsRun(console, parsed.GetValue(_json), parsed.GetValue(_operator)!, cancellationToken),
                    parsed);
            }
            catch (Exception e) when (cancellationToken.IsCancellationRequested
                && e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled })
            {
                await Console.Error.WriteLineAsync("cancelled");
                return Cancelled;
            }
            catch (RpcException e)
            {
                await Console.Error.WriteLineAsync($"{e.StatusCode}: {e.Status.Detail}");
                return Failed;
            }
        });

    static X509Certificate2? Read(FileInfo? certificate, FileInfo? key)
    {
        if (certificate == null)
            return key == null ? null : throw new CryptographicException("--key needs --certificate");
        using var read = X509Certificate2.CreateFromPemFile(certificate.FullName, (key ?? certificate).FullName);
        // Windows presents no certificate whose key is only in memory.
        return X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), password: null);
    }

    /// <summary>Prints a message as one line.</summary>
    public static void WriteJson(IMessage message) => Console.WriteLine(Json.Format(message));
}
