#!/bin/sh
# The database and its roles: one that owns the tables and migrates, one that the service runs as, and what it may do.
# Once, on an empty cluster, as a superuser (PGHOST and its like say where).
set -eu
secrets=${SECRETS:-/run/secrets}

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
  --set=owner_password="$(cat "$secrets/owner-password")" \
  --set=service_password="$(cat "$secrets/database-password")" <<'SQL'
create role countersign_owner login createrole password :'owner_password';
create role countersign_service nologin;
create role countersign login password :'service_password';
grant countersign_service to countersign;
create database countersign owner countersign_owner;
revoke connect on database countersign from public;
grant connect on database countersign to countersign;
\connect countersign
grant usage, create on schema public to countersign_owner;
SQL
