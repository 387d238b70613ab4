#!/bin/sh
# scripts/backup.sh FOLDER: copy what the Redis and the object store of docker-compose.yml hold into a new folder, while
# all runs. Redis is copied first: what the object store has beyond it is taken from there (docs/operations.md).
# COEDIT_SECRET is not in it; without that nothing can be verified: keep a copy of .env elsewhere.
set -eu
cd "$(dirname "$0")/.."
to=${1:-}

fail() {
    echo "backup: $*" >&2
    exit 1
}

# As for compose: the environment first, then the last line in .env.
setting() {
    printenv "$1" || sed -n "s/^$1=//p" .env | tail -n 1
}

[ -n "$to" ] || fail "say where to: make backup TO=folder"
[ ! -e "$to" ] || fail "$to is there already: each backup has a folder of its own"
[ -e .env ] || fail "there is no .env: nothing was deployed from this folder"
umask 077
mkdir -p "$to.part"

redis=$(docker ps -q --filter "label=com.docker.compose.project=$(setting COMPOSE_PROJECT_NAME)" \
    --filter label=com.docker.compose.service=redis)
[ -n "$redis" ] || fail "no Redis of compose runs; another one (COEDIT_REDIS_URL) is copied with its own tools"
# By way of a file: into a pipe redis-cli writes more than the data, where Redis sends them without a file of its own.
docker exec "$redis" sh -ec '
    trap "rm -f /data/backup.rdb" EXIT
    REDISCLI_AUTH=$REDIS_ADMIN_PASSWORD redis-cli --no-auth-warning --user admin --rdb /data/backup.rdb >&2
    redis-check-rdb /data/backup.rdb >&2
    cat /data/backup.rdb' >"$to.part/redis.rdb"

store=$(setting COEDIT_OBJECT_STORE_URL)
case ${store:-file://} in
file://*)
    # An object that a longer one took the place of may go while it is read: then everything is read again.
    for try in 1 2 3 4 last; do
        docker run --rm --network none --read-only -v "$(setting COMPOSE_PROJECT_NAME)_objects:/var/lib/coedit/objects:ro" \
            "coedit:$(setting IMAGE_TAG)" tar -C /var/lib/coedit/objects -cf - . >"$to.part/objects.tar" && break
        [ "$try" != last ] || fail "the objects could not be read whole"
    done
    ;;
*) echo "backup: the objects are in $store: copy them with its own tools, now, after Redis" >&2 ;;
esac
mv "$to.part" "$to"
du -ah "$to"
