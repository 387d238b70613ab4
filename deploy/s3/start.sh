#!/bin/sh
# SeaweedFS with one bucket, `coedit`, for whoever has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. What is not S3, and asks
# for no key, listens on loopback alone.
set -eu
[ -n "${AWS_ACCESS_KEY_ID:-}" ] && [ -n "${AWS_SECRET_ACCESS_KEY:-}" ] || {
    echo "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in .env" >&2
    exit 1
}
weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -s3.port=8333 -s3.ip.bind=0.0.0.0 \
    -s3.port.iceberg=0 -s3.port.lance=0 -volume.max=60 -master.volumeSizeLimitMB=1024 &
server=$!
# It takes no notice of SIGTERM; what it has answered is on disk.
trap 'kill -KILL $server' TERM INT
until echo s3.bucket.list | weed shell -master=127.0.0.1:9333 2>/dev/null | grep -q '^ *coedit\b'; do
    [ -d "/proc/$server" ] || exit 1
    echo "s3.bucket.create -name coedit" | weed shell -master=127.0.0.1:9333 >/dev/null 2>&1 || sleep 1
done
wait "$server" || :
