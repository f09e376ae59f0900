#!/bin/sh
# Make the golden repository of the newest schema: sh tests/golden/make.sh tests/golden/schema-NNNN.xferzone
set -eu
xferzone() { python -m xferzone -R "$repository" "$@"; }
repository=$1
export XFERZONE_USER=ops
xferzone init
xferzone zone add example.com --from - <<ZONE
@ 3600 SOA ns1 hostmaster 7 7200 3600 1209600 300
@ 3600 NS ns1
ns1 3600 A 192.0.2.1
ZONE
xferzone set www.example.com A 300 192.0.2.7
xferzone tag example.com before main~1
xferzone branch example.com test
xferzone set -b test www.example.com A 300 192.0.2.8
xferzone user add ann
xferzone remote add other http://192.0.2.9:8080/zones
printf 'a note\n' | xferzone uv put - --as note.txt
