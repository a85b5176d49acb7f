#!/bin/sh
# MLflow's server on PostgreSQL; artifacts are kept in a folder and served, so that clients need no share.
# DATABASE (its URI without a password; SQLAlchemy wants the driver named), DATABASE_PASSWORD_FILE, ARTIFACTS and ALLOWED_HOSTS say where.
set -eu
: "${DATABASE:?}" "${DATABASE_PASSWORD_FILE:?}" "${ARTIFACTS:?}" "${ALLOWED_HOSTS:?}"

# read by PostgreSQL's own client library: it stands in no command line and in no log
PGPASSWORD=$(cat "$DATABASE_PASSWORD_FILE")
if [ -z "$PGPASSWORD" ]; then
    echo "error: $DATABASE_PASSWORD_FILE is empty; choose a password for the database" >&2
    exit 2
fi
export PGPASSWORD
# half a gigabyte instead of two
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true

exec mlflow server --workers 1 --host "${HOST:-0.0.0.0}" --port "${PORT:-5000}" \
    --allowed-hosts "$ALLOWED_HOSTS" --backend-store-uri "$DATABASE" \
    --serve-artifacts --artifacts-destination "$ARTIFACTS"
