"""named, knotd and nsd as secondaries of ours, on loopback.

places = ports()                                         known before anything runs: they are told of changes there
configure(repository, places, signed=True)               ours, beside the repository
with secondaries(scratch, primary, places, zones, signed=True): ...
contents(port, zone, file)                               what dig has by AXFR
"""

import contextlib
import filecmp
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.live import background, free_port, run

KEY: Final = "transfer.example"
TRIES: Final = 3  # knotd ends a transfer that dig does not take for half a second
SECRET: Final = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def ports() -> dict[str, int]:
    """A port for each, by name."""
    return {name: free_port() for name in ("named", "knotd", "nsd")}


def configure(repository: Path, places: dict[str, int], *, signed: bool) -> None:
    """Have the server of the repository give its zones to the secondaries, and tell them of changes."""
    allowed = f"key:{KEY}" if signed else "127.0.0.1"
    targets = [f'{{address = "127.0.0.1:{port}"{_with(signed)}}}' for port in places.values()]
    repository.with_name(f"{repository.name}.toml").write_text(
        f'[[zone]]\nname = "*"\ntransfer = ["{allowed}"]\nalso_notify = [{", ".join(targets)}]\n'
        + (f'\n[keys."{KEY}"]\nsecret = {{file = "secret"}}\n' if signed else "")
    )
    secret = repository.with_name("secret")
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)


def _with(signed: bool) -> str:
    return f', key = "{KEY}"' if signed else ""


@contextlib.contextmanager
def secondaries(
    scratch: Path, primary: int, places: dict[str, int], zones: Sequence[str], *, signed: bool
) -> Iterator[None]:
    """Run them, as secondaries of 127.0.0.1 at port `primary`; their files and logs are in `scratch`."""
    programs = {"named": _named, "knotd": _knotd, "nsd": _nsd}
    with contextlib.ExitStack() as stack:
        for name, port in places.items():
            place = scratch / name
            place.mkdir(parents=True, exist_ok=True)
            command = programs[name](place, port, primary, zones, signed)
            stack.enter_context(background(command, dict(os.environ), place / "log"))
        yield


def contents(port: int, zone: str, file: Path, *, signed: bool = False) -> int:
    """Put all records that dig gets of a zone by AXFR into a file, sorted, the SOA once; how many there are."""
    key = ("-y", f"hmac-sha256:{KEY}:{SECRET}") if signed else ()
    words = ("+noall", "+answer", "+onesoa", "+time=20", "+tries=1", *key, "AXFR", zone)
    # Sorted outside of this process: there may be a million.
    ordered = (
        f"{shlex.join(['dig', '@127.0.0.1', '-p', str(port), *words])} | tr -s '\\t ' ' ' | sort > {file}"
    )
    for _ in range(TRIES):
        run("sh", "-c", ordered, env={**os.environ, "LC_ALL": "C"}, at=file.parent)
        with file.open("rb") as lines:
            first = next(lines, b"")
            if first[:1] != b";":  # what dig complains of is sorted before all records
                return sum(1 for _ in lines) + bool(first)
    raise AssertionError(f"no transfer of {zone} from port {port}: {first!r}")


def assert_same(ours: Path, theirs: Path) -> None:
    """Two files of `contents` are equal."""
    if not filecmp.cmp(ours, theirs, shallow=False):
        done = run("sh", "-c", f"diff {ours} {theirs} | head -20", env=dict(os.environ), at=ours.parent)
        raise AssertionError(f"{theirs.name} differs:\n{done.out}")


def _named(scratch: Path, port: int, primary: int, zones: Sequence[str], signed: bool) -> list[str]:
    key = f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
    by = f' key "{KEY}"' if signed else ""
    tables = "".join(
        f'zone "{zone}" {{ type secondary; file "{zone}.zone"; primaries {{ 127.0.0.1 port {primary}{by}; }}; }};\n'
        for zone in zones
    )
    config = scratch / "named.conf"
    config.write_text(
        f'options {{ directory "{scratch}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'recursion no; notify no; pid-file none; session-keyfile "{scratch}/key"; dnssec-validation no;\n'
        "allow-transfer { any; }; min-retry-time 1; max-retry-time 2; serial-query-rate 1000; };\n"
        f"controls {{}};\n{key if signed else ''}{tables}"
    )
    return ["/usr/sbin/named", "-g", "-d", "1", "-n", "1", "-c", str(config)]


def _knotd(scratch: Path, port: int, primary: int, zones: Sequence[str], signed: bool) -> list[str]:
    key = f'key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: "{SECRET}"\n' if signed else ""
    by = f"\n    key: {KEY}" if signed else ""
    config = scratch / "knot.conf"
    config.write_text(
        f'server:\n  listen: 127.0.0.1@{port}\n  rundir: "{scratch}"\n{key}database:\n  storage: "{scratch}"\n'
        f"log:\n  - target: stderr\n    any: info\n"
        f"remote:\n  - id: primary\n    address: 127.0.0.1@{primary}{by}\n"
        f"acl:\n  - id: told\n    address: 127.0.0.1{by}\n    action: notify\n"
        "  - id: given\n    address: 127.0.0.1\n    action: transfer\n"
        f'template:\n  - id: default\n    storage: "{scratch}"\n    master: primary\n    acl: [told, given]\n'
        "    retry-min-interval: 1\n    retry-max-interval: 2\n"
        "zone:\n" + "".join(f'  - domain: "{zone}"\n' for zone in zones)
    )
    return ["/usr/sbin/knotd", "-c", str(config)]


def _nsd(scratch: Path, port: int, primary: int, zones: Sequence[str], signed: bool) -> list[str]:
    key = f'key:\n  name: "{KEY}"\n  algorithm: hmac-sha256\n  secret: "{SECRET}"\n' if signed else ""
    by = KEY if signed else "NOKEY"
    tables = "".join(
        f'zone:\n  name: "{zone}"\n  zonefile: "{scratch}/{zone}.zone"\n  request-xfr: 127.0.0.1@{primary} {by}\n'
        f"  allow-notify: 127.0.0.1 {by}\n  provide-xfr: 127.0.0.1 NOKEY\n  min-retry-time: 1\n  max-retry-time: 2\n"
        for zone in zones
    )
    config = scratch / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{scratch}"\n  database: ""\n'
        f'  pidfile: ""\n  xfrdfile: "{scratch}/state"\n  xfrdir: "{scratch}"\n  zonelistfile: "{scratch}/list"\n'
        f"  xfrd-reload-timeout: 0\nremote-control:\n  control-enable: no\n{key}{tables}"
    )
    return ["/usr/sbin/nsd", "-d", "-c", str(config)]
