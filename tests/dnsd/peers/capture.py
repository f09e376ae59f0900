"""Ask NSD, Knot and BIND about the zones beside this file, and write down what they say: see README.md.

answers.jsonl.xz holds one line for each question:

    [name, type, {"nsd": ANSWER, "knot": ANSWER, "bind": ANSWER}]
    ANSWER    [rcode, AA or not, answer, authority, additional]; each section a sorted list of records
"""

import json
import lzma
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rrset
import dns.zonefile

HERE = Path(__file__).parent
ZONES = sorted(path.name.removesuffix(".zone") for path in (HERE / "zones").glob("*.zone"))
TYPES = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DNAME", "DS", "SRV", "DNSKEY")
LONG = "d" * 60

NAMES = f"""
    test. example.test. www.example.test. WWW.exAMple.TEST. nope.example.test. nope.test. a.nope.example.test.
    post.example.test. _tcp.example.test. _sip._tcp.example.test. ns1.example.test. unsigned.test. x.unsigned.test.
    alias.test. x.away.test. www.away.test. away.test. www.child.away.test. hidden.island.example.test.
    alias.example.test. alias2.example.test. out.example.test. toname.example.test. toent.example.test.
    tosub.example.test. tocut.example.test. tochild.example.test. toisland.example.test. towild.example.test.
    todname.example.test. toself.example.test. ring1.example.test. c1.example.test.
    dn.example.test. a.dn.example.test. b.dn.example.test. z.dn.example.test. dn.dn.example.test.
    q.w.dn.example.test. A.DN.example.test. dnout.example.test. x.dnout.example.test. x.dnsub.example.test.
    www.dnchild.example.test. q.dnwild.example.test. x.dnlong.example.test. {LONG}.dnlong.example.test.
    {LONG}.{LONG}.dnlong.example.test. target.example.test. w.target.example.test. q.w.target.example.test.
    sub.example.test. x.sub.example.test. ns.sub.example.test. a.b.sub.example.test. sib.example.test.
    ns.sib.example.test. lame.example.test. deep.lame.example.test. ns.lame.example.test. ent2.example.test.
    x.ent2.example.test. y.x.ent2.example.test. child.example.test. www.child.example.test.
    nope.child.example.test. back.child.example.test. lower.child.example.test. x.lower.child.example.test.
    ns.child.example.test. a.b.child.example.test.
    ent.example.test. b.ent.example.test. a.b.ent.example.test. c.b.ent.example.test. c.ent.example.test.
    wild.example.test. *.wild.example.test. q.wild.example.test. q.r.wild.example.test. y.wild.example.test.
    x.y.wild.example.test. z.y.wild.example.test. q.*.wild.example.test. q.wildc.example.test.
    *.wildc.example.test. q.wildcout.example.test. q.wildloop.example.test. a.wildloop.example.test.
    q.wilddn.example.test. wstar.example.test. *.wstar.example.test. q.wstar.example.test. t.*.wstar.example.test.
    u.*.wstar.example.test. q.q.wstar.example.test. q.wild2.example.test. sub.q.wild2.example.test.
    sub.*.wild2.example.test. x.*.wild2.example.test. cut.wild2.example.test. x.cut.wild2.example.test.
    odd.example.test. \\000\\001.odd.example.test. \\000.odd.example.test. a\\.b.odd.example.test. a.b.odd.example.test.
    upper.odd.example.test. island.example.test. www.island.example.test. nope.island.example.test.
    moved.test. x.moved.test. x.y.moved.test. elsewhere.invalid. .
""".split()


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        answers = asked(Path(scratch))
    with lzma.open(HERE / "answers.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(answer) + "\n" for answer in answers)


def asked(scratch: Path) -> list[list[object]]:
    """What the three say to each question."""
    ports = dict(zip(("nsd", "knot", "bind"), free_ports(3), strict=True))
    commands = (nsd(scratch, ports["nsd"]), knot(scratch, ports["knot"]), bind(scratch, ports["bind"]))
    running = [subprocess.Popen(command, cwd=scratch, stderr=subprocess.DEVNULL) for command in commands]
    try:
        for port in ports.values():
            wait_for(port)
        return [
            [name, rdtype, {server: said(name, rdtype, port) for server, port in ports.items()}]
            for name in NAMES
            for rdtype in TYPES
        ]
    finally:
        for process in running:
            process.terminate()
            process.wait()


def said(name: str, rdtype: str, port: int) -> list[object]:
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232)
    answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=5)
    sections = [list(written(section)) for section in (answer.answer, answer.authority, answer.additional)]
    return [dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.AA), *map(sorted, sections)]


def written(section: list[dns.rrset.RRset]) -> Iterator[str]:
    """The records of a section, owners and all else in lower case."""
    for rrset in section:
        yield from rrset.to_text().lower().splitlines()


def nsd(scratch: Path, port: int) -> list[str]:
    zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{path(zone)}"\n' for zone in ZONES)
    config = scratch / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{scratch}"\n  database: ""\n'
        f'  pidfile: ""\n  xfrdfile: ""\n  xfrdir: "{scratch}"\n  zonelistfile: "{scratch}/list"\n'
        f"remote-control:\n  control-enable: no\n{zones}"
    )
    return ["/usr/sbin/nsd", "-d", "-c", str(config)]


def knot(scratch: Path, port: int) -> list[str]:
    zones = "".join(f'  - domain: "{zone}"\n    file: "{path(zone)}"\n' for zone in ZONES)
    config = scratch / "knot.conf"
    config.write_text(
        f'server:\n  listen: 127.0.0.1@{port}\n  rundir: "{scratch}"\ndatabase:\n  storage: "{scratch}"\n'
        f"template:\n  - id: default\n    zonefile-load: whole\n    semantic-checks: false\nzone:\n{zones}"
    )
    return ["/usr/sbin/knotd", "-c", str(config)]


def bind(scratch: Path, port: int) -> list[str]:
    zones = "".join(
        f'zone "{zone}" {{ type primary; file "{path(zone)}"; check-names ignore; }};\n' for zone in ZONES
    )
    config = scratch / "named.conf"
    config.write_text(
        f'options {{ directory "{scratch}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'recursion no; pid-file none; session-keyfile "{scratch}/key"; dnssec-validation no; }};\n'
        f"controls {{}};\n{zones}"
    )
    return ["/usr/sbin/named", "-f", "-c", str(config)]


def path(zone: str) -> Path:
    return (HERE / "zones" / f"{zone}.zone").resolve()


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(port: int) -> None:
    query = dns.message.make_query("example.test.", "SOA")
    for _ in range(100):
        try:
            if dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2).rcode() == dns.rcode.NOERROR:
                return
        except (dns.exception.Timeout, OSError):
            time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


if __name__ == "__main__":
    main()
