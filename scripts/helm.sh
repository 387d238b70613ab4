#!/bin/sh
# Install the locked SDK of Helm into .venv, which the tests of the chart render by; does nothing where it is there.
set -eu
cd "$(dirname "$0")/.."
if .venv/bin/python -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("helm_python") is None)'; then
    exit 0
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/helm.txt
