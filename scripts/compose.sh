#!/bin/sh
# Compose with docker-compose.yml, version 2 or 1, whichever is here: scripts/compose.sh up -d
set -eu
cd "$(dirname "$0")/.."
# What a deployment of an earlier version has is named after its folder, and stays so: its volumes would not be found.
name=coedit
if [ -e .env ]; then name=$(basename "$PWD" | tr 'A-Z' 'a-z' | tr -cd 'a-z0-9_-'); fi
scripts/secret.sh .env .env.example
if ! grep -q '^COMPOSE_PROJECT_NAME=' .env; then
    printf '\n# What the names of containers and volumes begin with.\nCOMPOSE_PROJECT_NAME=%s\n' "$name" >>.env
fi
if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
fi
if command -v docker-compose >/dev/null; then
    exec docker-compose "$@"
fi
echo "neither docker compose nor docker-compose is here: https://docs.docker.com/compose/install/" >&2
exit 1
