#!/bin/sh
# A demo in ./demo, kept from run to run; `make run` calls this.
#
#     demo.sh XFERZONE HTTP-ADDRESS DNS-ADDRESS
set -eu
umask 077

xferzone=$1
http=$2
dns=$3
case $dns in
    *]:*) server=${dns%]:*} server=${server#[} ;;
    *) server=${dns%:*} ;;
esac
port=${dns##*:}

# Made beside and moved into place whole, so that a first run that was interrupted leaves nothing half-made.
if [ ! -e demo/zones.xferzone ]; then
    rm -rf demo.new
    mkdir demo.new
    cat >demo.new/example.com.zone <<'ZONE'
$ORIGIN example.com.
$TTL 3600
@       IN SOA  ns1 hostmaster 1 7200 3600 1209600 3600
        IN NS   ns1
        IN NS   ns2
        IN MX   10 mail
ns1     IN A    192.0.2.1
ns2     IN A    192.0.2.2
; the web server; moves to the new rack in spring
www     IN A    192.0.2.80
        IN AAAA 2001:db8::80
mail    IN A    192.0.2.25
@       IN TXT  "v=spf1 mx -all"
ZONE
    # What they say on stderr is for people who type them: shown only if they fail.
    {
        "$xferzone" -R demo.new/zones.xferzone init --admin ops >demo.new/account &&
            "$xferzone" -R demo.new/zones.xferzone zone add example.com --from demo.new/example.com.zone --as ops
    } >demo.new/said 2>&1 || {
        cat demo.new/said >&2
        exit 1
    }
    rm demo.new/said
    mkdir -p demo
    mv demo.new/* demo/
    rmdir demo.new
fi
password=$(sed -n 's/^password: //p' demo/account)

cat <<TEXT

The repository is demo/zones.xferzone; DNS answers on $dns, HTTP on http://$http/, user ops, password $password.
In another terminal, if fossil and dig are installed:

  dig +short @$server -p $port www.example.com
  cd "\$(mktemp -d)" && export USER=\${USER:-ops}
  fossil clone --save-http-password http://ops:$password@$http/ z.fossil
  mkdir zone && cd zone && fossil open ../z.fossil example.com/main
  sed -i 's/192.0.2.80/192.0.2.181/' example.com.zone
  fossil commit -m "www moves"
  dig +short @$server -p $port www.example.com

Ctrl-C ends it; \`make run\` goes on where it was. Other addresses: make run HTTP=HOST:PORT DNS=HOST:PORT

TEXT
exec "$xferzone" -R demo/zones.xferzone up --http "$http" --dns "$dns"
