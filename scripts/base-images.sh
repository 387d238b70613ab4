#!/bin/sh
# Make the images that docker-compose.yml and the Dockerfile start from, out of Debian packages, on a Debian machine
# that cannot reach a container registry. Elsewhere this is not needed: the official images are pulled.
#
#   DOCKER_HOST=... scripts/base-images.sh [WORKDIR]        as root; needs docker and debootstrap; about two minutes
#
# An image that the engine already has is left alone. The packages are Debian's: Python 3.11.2, Redis 7.0, HAProxy 2.6.
set -eu
work=${1:-/tmp/coedit-base-images}
release=bookworm

# The tags as the Dockerfile and docker-compose.yml name them.
python_tag=python:3.11-slim-bookworm
redis_tag=redis:7
haproxy_tag=haproxy:2.6

main() {
    for tool in docker debootstrap chroot; do
        command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install docker.io debootstrap"
    done
    [ "$(id -u)" = 0 ] || fail "debootstrap needs root"
    docker version >/dev/null 2>&1 || fail "no Docker engine answers at ${DOCKER_HOST:-the default socket}"
    mkdir -p "$work"
    if lacks "$python_tag"; then make_python; fi
    if lacks "$redis_tag"; then make_redis; fi
    if lacks "$haproxy_tag"; then make_haproxy; fi
    rm -rf "$work"
    docker image ls --format '{{.Repository}}:{{.Tag}}  {{.Size}}' | grep -E "^($python_tag|$redis_tag|$haproxy_tag) "
}

make_python() {
    root=$(root_with python ca-certificates python3 python3-pip python3-venv)
    # What the official image does: `python` and `pip` are there, and pip may install into the image.
    rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
    ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
    ln -sf /usr/bin/pip3 "$root/usr/local/bin/pip"
    # Builds trust whom this machine trusts.
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
    import "$root" "$python_tag" \
        -c 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' -c 'CMD ["python3"]'
}

make_redis() {
    root=$(root_with redis redis-server)
    mkdir -p "$root/data"
    chroot "$root" chown redis:redis /data
    import "$root" "$redis_tag" -c 'USER redis' -c 'WORKDIR /data' -c 'VOLUME /data' -c 'EXPOSE 6379' \
        -c 'CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/data"]'
}

make_haproxy() {
    root=$(root_with haproxy haproxy)
    import "$root" "$haproxy_tag" -c 'USER haproxy' \
        -c 'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]'
}

# root_with NAME PACKAGE...: print a folder with a minimal Debian and the packages in it
root_with() {
    name=$1
    shift
    [ -d "$work/minimal" ] || bootstrap >&2
    rm -rf "${work:?}/$name"
    cp -a "$work/minimal" "$work/$name"
    echo "installing $* ..." >&2
    DEBIAN_FRONTEND=noninteractive chroot "$work/$name" \
        apt-get install -y -qq --no-install-recommends "$@" >"$work/$name.log" 2>&1 || fail "see $work/$name.log"
    rm -rf "$work/$name"/var/lib/apt/lists/* "$work/$name"/var/cache/apt/archives/*.deb
    rm -f "$work/$name/usr/sbin/policy-rc.d" "$work/$name/etc/resolv.conf" "$work/$name/etc/apt/sources.list"
    echo "$work/$name"
}

bootstrap() {
    echo "a minimal Debian $release from this machine's package mirror ..."
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" 'Created-By: Packages' | head -n 1)
    [ -n "$mirror" ] || fail "this machine's apt knows no mirror of Debian $release"
    debootstrap --variant=minbase "$release" "$work/minimal.part" "$mirror" >"$work/minimal.log" 2>&1 ||
        fail "see $work/minimal.log"
    # No service of a package starts in here.
    printf '#!/bin/sh\nexit 101\n' >"$work/minimal.part/usr/sbin/policy-rc.d"
    chmod +x "$work/minimal.part/usr/sbin/policy-rc.d"
    mv "$work/minimal.part" "$work/minimal"
}

# import ROOT TAG OPTION...: what is mounted or made at run time stays out
import() {
    root=$1
    tag=$2
    shift 2
    tar -C "$root" --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . | docker import "$@" - "$tag" >/dev/null
}

lacks() {
    ! docker image inspect "$1" >/dev/null 2>&1
}

fail() {
    echo "base-images: $*" >&2
    exit 1
}

main
