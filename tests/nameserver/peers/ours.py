"""Our server with the zones beside this file, as programs.py runs the others.

repository(directory)                     made, with all zones
with running(directory) as port: ...      `xferzone dns` of it, with every option on
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.live import serving
from tests.nameserver.peers.programs import HERE, NAME, SECRET, VERSION, ZONES
from tests.publish.project import NOW, Project
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName
from xferzone.zonefile import names, text


def repository(directory: Path) -> Path:
    """A repository in that directory with the zones that the peers have."""
    project = Project(directory)
    for number, zone in enumerate(ZONES):
        content = (HERE / "zones" / f"{zone}.zone").read_bytes()
        with project.writing() as (writer, refs):
            edit = Edit(writer, refs, BranchName(zone, "main"), Author("ops", NOW - 500_000 + number))
            edit.replace(text.read_zone(content, names.zone_name(zone)), "as the peers have it")
    return project.path


@contextlib.contextmanager
def running(directory: Path) -> Iterator[int]:
    """The port of 127.0.0.1 that it answers at, UDP and TCP."""
    made = repository(directory)
    secret = directory / "cookies"
    secret.write_text(f"{SECRET.hex()}\n")
    secret.chmod(0o600)
    Path(f"{made}.toml").write_text(
        f'[dns]\nnsid = "{NAME}"\nidentity = "{NAME}"\nversion = "{VERSION}"\ncookies = {{file = "cookies"}}\n'
        "[dns.rate]\nenabled = true\n"
    )
    with serving(made, "dns") as server:
        yield server.dns
