"""NSD, Knot and BIND with the zones beside this file, on loopback, for as long as a block lasts.

with running(scratch) as ports:
    ports["nsd"]        UDP and TCP, of 127.0.0.1
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
ZONES: Final = sorted(path.name.removesuffix(".zone") for path in (HERE / "zones").glob("*.zone"))


@contextlib.contextmanager
def running(scratch: Path) -> Iterator[dict[str, int]]:
    """The port of each, by name; their files and logs are in `scratch`."""
    ports = {}
    with contextlib.ExitStack() as stack:
        for name, command in (("nsd", _nsd), ("knot", _knot), ("bind", _bind)):
            place = scratch / name
            place.mkdir()
            ports[name] = free_port()
            log = place / "log"
            process = stack.enter_context(background(command(place, ports[name]), dict(os.environ), log))
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


def _nsd(scratch: Path, port: int) -> list[str]:
    zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{_file(zone)}"\n' for zone in ZONES)
    config = scratch / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{scratch}"\n  database: ""\n'
        f'  pidfile: ""\n  xfrdfile: ""\n  xfrdir: "{scratch}"\n  zonelistfile: "{scratch}/list"\n'
        f"remote-control:\n  control-enable: no\n{zones}"
    )
    return ["/usr/sbin/nsd", "-d", "-c", str(config)]


def _knot(scratch: Path, port: int) -> list[str]:
    zones = "".join(f'  - domain: "{zone}"\n    file: "{_file(zone)}"\n' for zone in ZONES)
    config = scratch / "knot.conf"
    config.write_text(
        f'server:\n  listen: 127.0.0.1@{port}\n  rundir: "{scratch}"\ndatabase:\n  storage: "{scratch}"\n'
        f"template:\n  - id: default\n    zonefile-load: whole\n    semantic-checks: false\nzone:\n{zones}"
    )
    return ["/usr/sbin/knotd", "-c", str(config)]


def _bind(scratch: Path, port: int) -> list[str]:
    zones = "".join(
        f'zone "{zone}" {{ type primary; file "{_file(zone)}"; check-names ignore; }};\n' for zone in ZONES
    )
    config = scratch / "named.conf"
    config.write_text(
        f'options {{ directory "{scratch}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'recursion no; notify no; pid-file none; session-keyfile "{scratch}/key"; dnssec-validation no; }};\n'
        f"controls {{}};\n{zones}"
    )
    return ["/usr/sbin/named", "-g", "-c", str(config)]


def _file(zone: str) -> Path:
    return (HERE / "zones" / f"{zone}.zone").resolve()
