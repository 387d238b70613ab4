#!/bin/sh
# scripts/restore.sh FOLDER: put what scripts/backup.sh copied in the place of what the Redis and the object store of
# docker-compose.yml hold, start everything, and check every document. Nothing may run: scripts/compose.sh stop
# .env must have the COEDIT_SECRET of the time of the backup, at least in COEDIT_OLD_SECRETS.
set -eu
cd "$(dirname "$0")/.."
from=${1:-}

fail() {
    echo "restore: $*" >&2
    exit 1
}

setting() {
    printenv "$1" || sed -n "s/^$1=//p" .env | tail -n 1
}

[ -n "$from" ] || fail "say where from: make restore FROM=folder"
[ -s "$from/redis.rdb" ] || fail "there is no $from/redis.rdb"
[ -e .env ] || fail "there is no .env: put the one back that belongs to the backup, and make deploy"
project=$(setting COMPOSE_PROJECT_NAME)
image=coedit:$(setting IMAGE_TAG)
docker image inspect "$image" >/dev/null 2>&1 || fail "there is no image $image: make deploy first"
running=$(docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Names}}' | tr '\n' ' ')
[ -z "$running" ] || fail "these run, and would write: $running; scripts/compose.sh stop"

# Redis starts from an append-only file that begins with this copy and has nothing behind it.
docker run --rm -i --network none --user redis -v "${project}_redis:/data" --entrypoint sh redis:7 -ec '
    cd /data
    rm -rf appendonlydir dump.rdb
    mkdir appendonlydir
    cat >appendonlydir/appendonly.aof.1.base.rdb
    echo "file appendonly.aof.1.base.rdb seq 1 type b" >appendonlydir/appendonly.aof.manifest
    sync' <"$from/redis.rdb"
if [ -e "$from/objects.tar" ]; then
    docker run --rm -i --network none -v "${project}_objects:/var/lib/coedit/objects" "$image" sh -ec '
        cd /var/lib/coedit/objects
        find . -mindepth 1 -delete
        tar -xf -
        sync' <"$from/objects.tar"
fi
python3 scripts/deploy.py
scripts/compose.sh run --rm coedit verify --all
