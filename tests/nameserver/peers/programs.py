"""NSD, Knot and BIND with the zones beside this file, on loopback, for as long as a block lasts.

with running(scratch) as ports:
    ports["nsd"]        UDP and TCP, of 127.0.0.1

With `every_option` they say who they are (NSID, CHAOS) and make cookies with SECRET.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.query

from tests.live import PATIENCE_S, background, free_port, within

HERE: Final = Path(__file__).parent
SECRET: Final = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
NAME: Final = "ns1.example"  # as NSID and in class CHAOS
VERSION: Final = "1.0"
ZONES: Final = sorted(path.name.removesuffix(".zone") for path in (HERE / "zones").glob("*.zone"))


@contextlib.contextmanager
def running(scratch: Path, *, every_option: bool = False, strict: bool = False) -> Iterator[dict[str, int]]:
    """The port of each, by name; their files and logs are in `scratch`. "strict" is a BIND that wants valid cookies."""
    ports = {}
    with contextlib.ExitStack() as stack:
        programs = {"nsd": _nsd, "knot": _knot, "bind": _bind}
        for name, command in (programs | ({"strict": _strict_bind} if strict else {})).items():
            place = scratch / name
            place.mkdir()
            ports[name] = free_port()
            log = place / "log"
            process = stack.enter_context(
                background(command(place, ports[name], every_option), dict(os.environ), log)
            )
            _wait_for(process, ports[name], log)
        yield ports


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    assert within(PATIENCE_S, lambda: process.poll() is not None or _serves_all(port)), log.read_text()
    assert process.poll() is None, log.read_text()


def _serves_all(port: int) -> bool:
    try:
        for zone in ZONES:
            answer = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", port=port, timeout=0.2)
            if not answer.answer:
                return False
    except (dns.exception.Timeout, OSError):
        return False
    return True


def _nsd(scratch: Path, port: int, every_option: bool) -> list[str]:
    zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{_file(zone)}"\n' for zone in ZONES)
    more = f'  rrl-ratelimit: 0\n  nsid: "ascii_{NAME}"\n  identity: "{NAME}"\n  version: "{VERSION}"\n'
    more += f'  answer-cookie: yes\n  cookie-secret: "{SECRET.hex()}"\n'
    config = scratch / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{scratch}"\n  database: ""\n'
        f'  pidfile: ""\n  xfrdfile: ""\n  xfrdir: "{scratch}"\n  zonelistfile: "{scratch}/list"\n'
        f"{more if every_option else ''}"
        f"remote-control:\n  control-enable: no\n{zones}"
    )
    return ["/usr/sbin/nsd", "-d", "-c", str(config)]


def _knot(scratch: Path, port: int, every_option: bool) -> list[str]:
    zones = "".join(f'  - domain: "{zone}"\n    file: "{_file(zone)}"\n' for zone in ZONES)
    more = f'  nsid: "{NAME}"\n  identity: "{NAME}"\n  version: "{VERSION}"\n'
    cookies = f"mod-cookies:\n  - id: default\n    secret: 0x{SECRET.hex()}\n"
    config = scratch / "knot.conf"
    config.write_text(
        f'server:\n  listen: 127.0.0.1@{port}\n  rundir: "{scratch}"\n{more if every_option else ""}'
        f'database:\n  storage: "{scratch}"\n{cookies if every_option else ""}'
        f"template:\n  - id: default\n    zonefile-load: whole\n    semantic-checks: false\n"
        f"{'    global-module: mod-cookies/default' if every_option else ''}\nzone:\n{zones}"
    )
    return ["/usr/sbin/knotd", "-c", str(config)]


def _bind(scratch: Path, port: int, every_option: bool) -> list[str]:
    zones = "".join(
        f'zone "{zone}" {{ type primary; file "{_file(zone)}"; check-names ignore; }};\n' for zone in ZONES
    )
    more = f'server-id "{NAME}"; hostname "{NAME}"; version "{VERSION}"; cookie-secret "{SECRET.hex()}";'
    config = scratch / "named.conf"
    config.write_text(
        f'options {{ directory "{scratch}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'recursion no; notify no; pid-file none; session-keyfile "{scratch}/key"; dnssec-validation no; '
        f"{more if every_option else ''} }};\n"
        f"controls {{}};\n{zones}"
    )
    return ["/usr/sbin/named", "-g", "-c", str(config)]


def _strict_bind(scratch: Path, port: int, every_option: bool) -> list[str]:
    command = _bind(scratch, port, every_option)
    config = Path(command[-1])
    config.write_text(config.read_text().replace("options {", "options { require-server-cookie yes;", 1))
    return command


def _file(zone: str) -> Path:
    return (HERE / "zones" / f"{zone}.zone").resolve()
