#!/bin/sh
# scripts/secret.sh FILE [TEMPLATE]: write FILE, readable only by its owner, as TEMPLATE with a random value for each
# variable that has none there. Where FILE is there already, the variables that it lacks are added and nothing is changed.
# COEDIT_SECRET signs tokens and chains commits: keep a copy of it, apart from Redis's data.
set -eu
file=$1
template=${2:-}
umask 077

lines() {
    if [ -n "$template" ]; then cat "$template"; else echo COEDIT_SECRET=; fi
}

filled() {
    while IFS= read -r line; do
        case $line in
        [A-Z]*=) echo "$line$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
}

if [ ! -e "$file" ]; then
    lines | filled >"$file.part"
    mv "$file.part" "$file"
    echo "wrote $file with random secrets"
    exit
fi
missing=$(lines | grep -E '^[A-Z_]+=$' | while IFS= read -r line; do grep -q "^$line" "$file" || echo "$line"; done)
if [ -n "$missing" ]; then
    { cat "$file" && echo && echo "$missing" | filled; } >"$file.part"
    mv "$file.part" "$file"
    echo "added to $file, with random values: $(echo "$missing" | tr -d '=' | tr '\n' ' ')"
fi
