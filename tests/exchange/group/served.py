"""Members of a group that are served, for tests: real files, a real etcd, `xferzone up` on ports of loopback.

with running(tmp_path / "etcd") as etcd:
    one, two, three = made(tmp_path, etcd)         one has example.com
    with one.up(), two.up(), three.up():
        one.put("www", "192.0.2.1")                by this process, in the file, as a verb does it
        assert within(2, lambda: two.a("www") == ["192.0.2.1"])
"""

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.interop.nodes import ZONE, Node, Primary, now_ms
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.editing import editing
from xferzone.exchange.group.http import HTTPFellows
from xferzone.exchange.group.joining import Terms, join
from xferzone.exchange.group.standing import Standing, check, standing
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Door, Occasion
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.etcd import Etcd
from xferzone.refs.membership import Membership, membership, seen
from xferzone.refs.reached import reached
from xferzone.refs.roster import Member, Roster
from xferzone.store import Store, schema
from xferzone.zone.changes import parse_change


class Served(Node):
    """A repository that joins a group."""

    def join(self, *urls: str, prefix: str = "xz") -> None:
        """By the etcd at these URLs, as a member called after its file."""
        share = Membership(urls, prefix, self.path.stem, "", "", f"http://127.0.0.1:{self.http}/", "")
        with Store.open(self.path) as store, contextlib.closing(Etcd(urls)) as keys:
            with store.reader() as reader:
                project = reader.project_code

            def reach(share: Membership, fellows: Mapping[str, Member]) -> HTTPFellows:
                return HTTPFellows(share, project, lambda: fellows)

            join(store, keys, share, Terms(reach))

    @property
    def name(self) -> str:
        return self.path.stem

    @contextlib.contextmanager
    def group(self) -> Iterator[tuple[Store, Group]]:
        """What a program of this member asks."""
        with Store.open(self.path) as store:
            with store.reader() as reader:
                share, project, last = membership(reader), reader.project_code, seen(reader)
            assert share is not None
            space = share.space(project)
            with contextlib.closing(reached(share)) as keys:
                members = Roster.read(keys, space).members
                with contextlib.closing(HTTPFellows(share, project, lambda: members)) as fellows:
                    refs = SharedRefs(keys, space, share.group, last)
                    allowed = partial(check, self.path, share.group)
                    yield store, Group(share.name, refs, fellows, allowed)

    def put(self, name: str, address: str, zone: str = ZONE) -> None:
        """Commit one record."""
        with (
            self.group() as (store, group),
            editing(store, group, Occasion(now_ms(), "ops", Door.CLI)) as (writer, refs),
        ):
            edit = Edit(writer, refs, BranchName(zone, "main"), Author("ops", now_ms()))
            edit.change([parse_change("set", [f"{name}.{zone}", "300", "A", address])], "set")

    def stands(self) -> Standing | None:
        return standing(self.path)

    def state(self) -> str:
        found = self.stands()
        return "" if found is None else found.state

    def why(self) -> str:
        found = self.stands()
        return "" if found is None else found.why

    def keep(self, content: bytes) -> ArtifactId:
        """Store what moves no ref."""
        with Store.open(self.path) as store, store.writer() as writer:
            return writer.put(content)

    def keeps(self, artifact: ArtifactId) -> bool:
        with Store.open(self.path) as store, store.reader() as reader:
            return reader.has(artifact)

    def is_up(self) -> bool:
        return self.state() == "up"

    def has(self, address: str, name: str = "www") -> bool:
        return self.a(name) == [address]


def made(directory: Path, *urls: str, names: tuple[str, ...] = ("one", "two", "three")) -> list[Served]:
    """Members of one group, the first of which was its primary; none of them is served yet."""
    primary = Primary(directory / f"{names[0]}.xferzone")
    members = [Served(directory / f"{name}.xferzone") for name in names]
    for each in members[1:]:
        with Store.open(primary.path) as store:
            store.back_up(each.path)
        with Store.open(each.path) as store, store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
            writer.set_setting("epoch", f"{each.name:0>32}"[:32].encode().hex()[:32])
    for each in members:
        each.join(*urls)
    return members
