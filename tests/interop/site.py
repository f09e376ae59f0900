"""A project of three zones that is served, and how people reach it.

project = make_project(directory)                      once: repository, accounts
with directly(project, tmp_path) as site:              a copy of it under `xferzone up`
with behind_nginx(project, tmp_path) as site:          the same: nginx ~> 4 gunicorn workers, DNS beside
    person.clone(site.url("ann"), file)
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tests.live import Person, serving

ZONES = ("example.com", "example.net", "example.org")
ADMIN = "ops"
WRITERS = ("bob", "xena")  # they may push and no more
_SAME_PASSWORD = "three words here"
_ZONE = """\
$TTL 3600
@ 3600 SOA ns1.example.info. hostmaster.example.info. 1 7200 3600 1209600 300
@ 3600 NS ns1.example.info.
@ 3600 MX 10 mail
; where letters go
mail 3600 A 192.0.2.25
www 300 A 192.0.2.80
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A repository, the place of its HTTP server with the path prefix, and its DNS port on loopback."""

    repository: Path
    place: str
    dns: int
    passwords: Mapping[str, str]

    def url(self, login: str) -> str:
        return f"http://{login}:{self.passwords[login].replace(' ', '%20')}@{self.place}"


def make_project(directory: Path, zones: tuple[str, ...] = ZONES, project_code: str = "") -> Site:
    """A new repository with these zones and accounts, served by nobody yet."""
    operator, repository = Person(directory / "operator"), directory / "zones.xferzone"
    code = ["--project-code", project_code] if project_code else []
    made = operator.xferzone("-R", repository, "init", "--admin", ADMIN, *code).out.splitlines()
    passwords = {ADMIN: made[1].removeprefix("password: ")}
    for login in WRITERS:
        operator.xferzone(
            "-R", repository, "user", "add", login, "--write", "--password-stdin", stdin=_SAME_PASSWORD
        )
        passwords[login] = _SAME_PASSWORD
    for zone in zones:
        operator.xferzone("-R", repository, "zone", "add", zone, "--from", "-", stdin=_ZONE)
    return Site(repository, "", 0, passwords)


def copied(project: Site, directory: Path) -> Site:
    """The same with a repository of its own in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    copy = directory / "zones.xferzone"
    # Not as a file: a server that ended may have left what was written last in its journal.
    with closing(sqlite3.connect(project.repository)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return replace(project, repository=copy)


@contextlib.contextmanager
def directly(project: Site, directory: Path) -> Iterator[Site]:
    """A copy of the project under `xferzone up`."""
    own = copied(project, directory)
    with serving(own.repository) as server:
        yield replace(own, place=f"127.0.0.1:{server.http}/", dns=server.dns)
