#!/usr/bin/env bash
# Builds, tests and runs everything: ./build.sh --target=Help lists the targets.
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# If no file has changed since the last Run, there is nothing to build or install, and Run starts at once.
newer_than_run() { find . \( -path ./artifacts -o -path ./.git \) -prune -o -newer artifacts/run.stamp -print -quit; }
if [ "${1-}" = --target=Run ] && [ -f artifacts/run.stamp ] && [ -z "$(newer_than_run)" ]; then
  exec dotnet artifacts/bin/Saga.Cli/release/Saga.Cli.dll up --no-build "${@:2}"
fi

dotnet tool restore >/dev/null
exec dotnet cake "$@"
