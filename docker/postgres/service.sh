#!/bin/bash
# Runs once, when the data folder is created: creates a database and its owner, which is not a superuser.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -U postgres -v service="$SERVICE" -v password="$SERVICE_PASSWORD" <<'SQL'
create role :"service" login password :'password';
create database :"service" owner :"service";
revoke connect on database :"service" from public;
revoke connect on database postgres from public;
SQL
