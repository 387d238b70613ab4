#!/bin/sh
# Make .venv from a lock file: scripts/setup.sh server|dev. Safe to run again; does nothing when up to date.
set -eu
cd "$(dirname "$0")/.."
set_name=${1:-server}
lock=requirements/$set_name.txt
stamp=.venv/.installed-$set_name
python=${PYTHON:-python3}

if [ -f "$stamp" ] && cat "$lock" pyproject.toml | cmp -s - "$stamp"; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "coedit needs Python 3.11 or newer; found $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        # Debian ships venv's bootstrap apart from Python itself.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
            "$python" -m venv .venv
        else
            echo "python3 -m venv failed; on Debian: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
fi
echo "installing the locked packages of $lock into .venv ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
cat "$lock" pyproject.toml > "$stamp"
