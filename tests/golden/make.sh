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
for rule in mtime-wins self-write owner-write; do
    xferzone table define "of-$rule" --column login:text --column more:json --key login --rule "$rule"
done
xferzone table define peers
xferzone table put of-mtime-wins login=a 'more=[1180591620717411303424, 0.5, null]'
xferzone table put of-mtime-wins login=gone more=1
xferzone table rm of-mtime-wins gone
xferzone table put of-self-write login=ops 'more={"it": "stays"}'
xferzone table put of-owner-write login=b more=true
xferzone shun add -m 'a leak' "$(printf '7%.0s' $(seq 64))"
# As a push of a client of Fossil's brings it: there is no verb that writes it.
python - "$repository" <<'ROWS'
import sys
from pathlib import Path

from xferzone.cards import Config
from xferzone.store import Store
from xferzone.sync.configuration import ALL, Taking

with Store.open(Path(sys.argv[1])) as store, store.writer() as writer:
    taking = Taking(writer, ALL, now_ms=4_000_000_000_000, with_accounts=True)
    taking.take(Config("/config", b"8 'project-name' value 'it''s\none'"))
    taking.take(Config("/config", b"8 'logo-image' value X'89504E470AFF'"))
    taking.take(Config("/config", b"8 'timeline-utc' value 1"))
    taking.take(Config("/reportfmt", b"8 'Late' owner 'ann' cols 'x' sqlcode 'SELECT 1'"))
    taking.take(Config("/concealed", b"8 '%s' content 'ann@example.net'" % (b"0" * 40)))
    taking.take(Config("/user", b"4000000000 'carl' cap 'goi' info 'Carl'"))
    if taking.count != 6:
        raise SystemExit(f"{taking.count} rows are taken")
ROWS
