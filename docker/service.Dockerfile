# Order, Account, Operations or Issuer: docker build -f docker/service.Dockerfile --build-arg SERVICE=Order .
# What all services share is built once for all images.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS libraries
WORKDIR /src
# The packages are those of the lock files, or none.
ENV CI=true
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig ./
COPY proto proto
COPY Contracts Contracts
COPY lib lib
# The packages stay in a cache between builds; one build at a time uses it. Analyzers run in Build and Lint of
# build.cake.
RUN --mount=type=cache,id=nuget,sharing=locked,target=/root/.nuget/packages \
    dotnet build lib/Service.Defaults -c Release -p:RunAnalyzers=false

FROM libraries AS build
ARG SERVICE
COPY ${SERVICE}.Service ${SERVICE}.Service
RUN --mount=type=cache,id=nuget,sharing=locked,target=/root/.nuget/packages \
    dotnet publish ${SERVICE}.Service/Host -c Release -p:RunAnalyzers=false -o /app

FROM mcr.microsoft.com/dotnet/aspnet:10.0
ARG SERVICE
WORKDIR /app
COPY --from=build /app ./
COPY docker/healthy /usr/local/bin/
# One entry point for all services; exec makes the service the process that receives signals.
RUN printf '#!/bin/sh\nexec dotnet /app/%s.Service.dll "$@"\n' "${SERVICE}" > /usr/local/bin/service \
    && chmod 755 /usr/local/bin/service /usr/local/bin/healthy
# A generation 0 of 64 MB instead of the size of the processor's cache: fewer garbage collections (docs/performance.md).
# The setting is not documented by .NET.
ENV DOTNET_GCgen0size=0x4000000
# The root file system can be read-only; diagnostics would create sockets in /tmp.
ENV DOTNET_EnableDiagnostics=0 \
    Kestrel__Endpoints__Grpc__Url=http://0.0.0.0:8081 \
    Kestrel__Endpoints__Http__Url=http://0.0.0.0:8080 \
    Operations__Url=http://0.0.0.0:8082 \
    Metrics__Url=http://0.0.0.0:9464
EXPOSE 8080 8081 8082 9464
USER $APP_UID
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["healthy"]
ENTRYPOINT ["service"]
