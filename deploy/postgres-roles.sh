#!/bin/sh
# Runs once, in the database image's first start: the owner that migrates, the runtime role that owns nothing, and the
# extensions that only a superuser may create.
set -eu
psql --set ON_ERROR_STOP=1 --set owner_password="$ATRIUM_OWNER_PASSWORD" --set runtime_password="$ATRIUM_RUNTIME_PASSWORD" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE atrium_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD :'owner_password';
CREATE ROLE atrium LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'runtime_password';
CREATE DATABASE atrium OWNER atrium_owner;
\connect atrium
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION citext;
CREATE EXTENSION unaccent;
CREATE EXTENSION btree_gin;
SQL
