#!/bin/bash
# Runs once, when the data folder is created: creates a database and its three roles, none of which is a superuser. The
# service's argument --migrate, with the login of the owner, gives the two others their rights.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -U postgres -v owner="$SERVICE" -v runtime="${SERVICE}_runtime" -v reader="${SERVICE}_reader" \
    -v owner_password="$OWNER_PASSWORD" -v runtime_password="$SERVICE_PASSWORD" \
    -v reader_password="$READER_PASSWORD" <<'SQL'
create role :"owner" login password :'owner_password';
create role :"runtime" login password :'runtime_password';
create role :"reader" login password :'reader_password';
create database :"owner" owner :"owner";
revoke all on database :"owner" from public;
grant connect on database :"owner" to :"runtime", :"reader";
revoke connect on database postgres from public;
SQL
