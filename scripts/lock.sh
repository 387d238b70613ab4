#!/bin/sh
# Lock every set of packages with hashes and without addresses, so that any registry or mirror serves them.
set -eu
cd "$(dirname "$0")/.."
lock() {
    out=$1
    shift
    compile "$@" pyproject.toml -o "requirements/$out.txt"
}
compile() {
    .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
        --universal --python-version 3.11 "$@"
}
.venv/bin/python -m pip install --quiet uv
lock dev --extra build --extra client --extra dev --extra otel --extra server
lock server --extra build --extra client --extra otel --extra server -c requirements/dev.txt
lock page --extra page
lock seaweedfs --extra seaweedfs
compile requirements/helm.in -o requirements/helm.txt
compile bench/peers/requirements.in -o bench/peers/requirements.txt
if grep -n '://' requirements/*.txt bench/peers/requirements.txt; then
    echo "a lock file names an address" >&2
    exit 1
fi
