#!/bin/sh
# start.sh OPTION...: Redis with the users of users.acl, whose passwords stand in the environment (REDIS_..._PASSWORD).
# A user without a password is left out: nobody can be it. REDIS_USERS names a file of yours in the place of users.acl;
# REDIS_ACL_FILE is where the hashes of the passwords go, which had better be in memory.
set -eu
umask 077
source=${REDIS_USERS:-$(dirname "$0")/users.acl}
acl=${REDIS_ACL_FILE:-/tmp/users.acl}

# One user a line, without comments.
users() {
    awk '/^#/ || /^$/ { next } /^ / { line = line $0; next } { if (line) print line; line = $0 } END { print line }' \
        "$source"
}

users | while IFS= read -r line; do
    name=$(printf '%s\n' "$line" | sed -n 's/.* >\([A-Z_]*\) .*/\1/p')
    if [ -z "$name" ]; then
        printf '%s\n' "$line"
        continue
    fi
    password=$(printenv "$name" || true)
    [ -n "$password" ] || continue
    hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
    printf '%s\n' "$line" | sed "s/>$name /#$hash /"
done >"$acl"
exec "${REDIS_SERVER:-redis-server}" "$@" --aclfile "$acl"
