#!/usr/bin/env bash
# Builds, tests and runs everything: ./build.sh --target=Help lists what there is.
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
dotnet tool restore >/dev/null
exec dotnet cake "$@"
