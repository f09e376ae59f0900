#!/bin/sh
# What a stranger does: clone, `make run`, Ctrl-C, `make run` again, `make test`; in an empty HOME, cache included.
#
#     tests/fresh.sh [no-tests]      prints one line a step; exit 1 at the first that fails
#
# It is not part of `make test`: it takes minutes, and everything is downloaded.
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
runner=
# Whatever happens, the demo goes: setsid made the runner a group of its own.
trap '[ -z "$runner" ] || kill -s KILL -- "-$runner" 2>/dev/null || true; rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

step() { echo "$(date +%T) $*"; }
fail() { step "FAILED: $*"; cat "$place/log" >&2; exit 1; }

# Start `make run`; it must be ready within $1 seconds.
start() {
    env -i $clean setsid make run HTTP=127.0.0.1:18480 DNS=127.0.0.1:18453 </dev/null >"$place/log" 2>&1 &
    runner=$!
    waited=0
    until grep -q '^up: ready' "$place/log"; do
        kill -0 "$runner" 2>/dev/null || fail "make run ended"
        [ "$waited" -lt "$1" ] || fail "make run was not ready within $1 s"
        sleep 1
        waited=$((waited + 1))
    done
    step "make run was ready after $waited s"
}

# Ctrl-C: the terminal sends INT to the whole group.
stop() {
    kill -s INT -- "-$runner"
    waited=0
    while kill -s 0 -- "-$runner" 2>/dev/null; do
        [ "$waited" -lt 10 ] || fail "something still runs 10 s after Ctrl-C"
        sleep 1
        waited=$((waited + 1))
    done
    wait "$runner" || true
    runner=
    step "Ctrl-C left nobody"
}

mkdir "$place/home"
# No word in here has blanks; it is split where it is used.
clean="PATH=$PATH HOME=$place/home LANG=C.UTF-8 PYTHON=${PYTHON:-python3}"
git clone -q "$project" "$place/clone"
cd "$place/clone"
step "cloned $(git rev-parse --short HEAD)"
start 120
password=$(sed -n 's/.*password \([^ .]*\)\.$/\1/p' "$place/log")
[ -n "$password" ] || fail "no password was printed"
stop
start 10
grep -q "password $password\." "$place/log" || fail "the second run is another demo"
stop
[ -z "$(git status --porcelain)" ] || fail "the tree is not clean: $(git status --porcelain)"
[ "${1-}" != no-tests ] || exit 0
env -i $clean CI=true .ci/run
step "the tests passed"
