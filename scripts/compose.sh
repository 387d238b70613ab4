#!/bin/sh
# Compose with docker-compose.yml, version 2 or 1, whichever is here: scripts/compose.sh up -d
set -eu
cd "$(dirname "$0")/.."
scripts/secret.sh .env .env.example
if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
fi
if command -v docker-compose >/dev/null; then
    exec docker-compose "$@"
fi
echo "neither docker compose nor docker-compose is here: https://docs.docker.com/compose/install/" >&2
exit 1
