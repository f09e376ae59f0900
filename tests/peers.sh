#!/bin/sh
# Install the real programs that the tests drive and that this machine lacks, without starting any service.
#
#     program -> Debian packages   (the table below; one row a program)
#
# Exit 0: all are here. Exit 2: some are not and we may not install; the line to run was printed.
set -eu

TABLE='
fossil   fossil
dig      bind9-dnsutils
kdig     knot-dnsutils
faketime faketime
nginx    nginx-light
nsd      nsd
dnsperf  dnsperf
knotd    knot
kzonecheck knot-dnssecutils
named    bind9
pdns_server   pdns-server pdns-backend-bind
ldns-signzone ldnsutils
squid    squid
curl     curl
openssl  openssl
systemd-analyze systemd
setpriv  util-linux
etcd     etcd-server
etcdctl  etcd-client
nats-server nats-server
'
POLICY=/usr/sbin/policy-rc.d
PATH=$PATH:/usr/sbin # where servers are

# Package names of the programs that are not on PATH, on one line.
lacking() {
    echo "$TABLE" | while read -r program package; do
        [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 || printf '%s ' "$package"
    done
}

# Debian asks policy-rc.d before it starts a service; 101 means "no". An administrator's own file comes back.
install_quietly() {
    kept=
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then
        kept="$POLICY.xferzone-kept"
        mv "$POLICY" "$kept"
    fi
    trap 'rm -f "$POLICY"; [ -z "$kept" ] || mv "$kept" "$POLICY"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null
}

if [ "${1-}" = --install ]; then # called by ourselves, as root
    shift
    install_quietly "$@"
    exit
fi

packages=$(lacking)
packages=${packages% }
[ -n "$packages" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need the programs of these Debian packages: $packages" >&2
    exit 2
elif [ "$(id -u)" -eq 0 ]; then
    asroot=
elif sudo -n true 2>/dev/null; then
    asroot='sudo -n'
else
    echo "the tests need some programs that are not here; install them with" >&2
    echo "    sudo apt-get install -y --no-install-recommends $packages" >&2
    exit 2
fi
echo "installing $packages ..."
# shellcheck disable=SC2086
if ! $asroot sh "$0" --install $packages >&2; then
    echo "that failed; by hand:  sudo apt-get install -y --no-install-recommends $packages" >&2
    exit 2
fi
packages=$(lacking)
[ -z "$packages" ] || { echo "still not on PATH after installing: $packages" >&2; exit 2; }
