#!/bin/sh
# scripts/secret.sh FILE [TEMPLATE]: where FILE is missing, write it with a random COEDIT_SECRET, readable only by its
# owner; the rest is TEMPLATE's. The secret signs tokens and chains commits: keep a copy of it, apart from Redis's data.
set -eu
file=$1
template=${2:-/dev/null}
[ ! -e "$file" ] || exit 0
umask 077
secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
{
    echo "COEDIT_SECRET=$secret"
    grep -v '^COEDIT_SECRET=' "$template" || true
} >"$file.part"
mv "$file.part" "$file"
echo "wrote $file with a random secret"
