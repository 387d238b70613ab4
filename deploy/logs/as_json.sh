#!/bin/sh
# as_json.sh SERVICE COMMAND...: run a command whose output goes out as JSON lines, as those of coedit's services are.
# Signals reach it, what it says at its end is written, and its exit code is this one's.
set -eu
service=$1
shift
folder=$(dirname "$0")
pipe=$(mktemp -u "${TMPDIR:-/tmp}/log.XXXXXX")
mkfifo -m 600 "$pipe"
sed -u -E -f "$folder/as_json.sed" -e ':end' -e "s/^/{\"service\":\"$service\",/; s/\$/}/" <"$pipe" &
reader=$!
"$@" >"$pipe" 2>&1 &
server=$!
trap 'kill -TERM $server 2>/dev/null || :' TERM INT
trap 'kill -USR2 $server 2>/dev/null || :' USR2
# A signal ends the wait, and not what is waited for.
status=0
while :; do
    wait "$server" && status=0 || status=$?
    kill -0 "$server" 2>/dev/null || break
done
wait "$reader" || :
rm -f "$pipe"
exit "$status"
