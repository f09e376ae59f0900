"""A repository for tests of the zone layer: check-ins made by hand, published, and asked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.hashing import ArtifactId
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.repository import make
from xferzone.store import Store, Writer, places, timeline

NOW = 1_800_000_000_000  # milliseconds since 1970
MAIN = "example.com/main"
ZONE = "example.com"
MAIN_BRANCH = BranchName(ZONE, "main")
APEX = """\
$TTL 3600
@ 3600 SOA ns1.example.net. hostmaster.example.net. {serial} 7200 3600 1209600 300
@ 3600 NS ns1.example.net.
"""


def zone_text(*lines: str, serial: int = 1) -> bytes:
    """Canonical text of example.com with these records beside SOA and NS."""
    return (APEX.format(serial=serial) + "".join(f"{line}\n" for line in lines)).encode()


class Project:
    """A new repository whose clock stands still unless a test moves `now`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "zones.xferzone"
        make.make(self.path, admin="ops", project_code=None, now_ms=NOW - 1_000_000)
        self.store = Store.open(self.path)
        self.now = NOW
        self._made = 0

    @contextmanager
    def writing(self) -> Iterator[tuple[Writer, LocalRefs]]:
        with self.store.writer() as writer:
            yield writer, LocalRefs(writer)

    def manifest(
        self,
        text: bytes | None,
        *parents: ArtifactId,
        branch: str | None = None,
        date_ms: int | None = None,
        user: str = "ann",
        files: dict[str, bytes] | None = None,
    ) -> bytes:
        """A check-in of example.com.zone; a date that is not given is a second after the one made before."""
        self._made += 1
        named = files if files is not None else {} if text is None else {"example.com.zone": text}
        with self.store.writer() as writer:
            cards = tuple(FileCard(name, writer.put(content)) for name, content in named.items())
        begins = branch if branch is not None else MAIN if not parents else None
        tags = (Tag("*", "branch", None, begins), Tag("*", f"sym-{begins}", None, None)) if begins else ()
        return CheckIn(
            comment=f"change {self._made}",
            date_ms=NOW - 100_000 + 1_000 * self._made if date_ms is None else date_ms,
            user=user,
            files=cards,
            parents=parents,
            tags=tags,
        ).encode()

    def push(self, *manifests: bytes) -> list[str]:
        """What the pusher of these check-ins is told."""
        with self.writing() as (writer, refs):
            for content in manifests:
                writer.put(content)
            return publish(writer, refs, self.occasion(Door.PUSH))

    def occasion(self, door: Door) -> Occasion:
        return Occasion(self.now, "ann", door)

    def served(self, branch: str = MAIN) -> tuple[ArtifactId, int | None]:
        """The check-in that the branch's ref stands on, and its serial."""
        with self.store.reader() as reader:
            ref = LocalRefs(reader).get(BranchName.parse(branch))
        assert ref is not None
        return ref.checkin, ref.serial

    def has_ref(self, branch: str = MAIN) -> bool:
        with self.store.reader() as reader:
            return LocalRefs(reader).get(BranchName.parse(branch)) is not None

    def branch_of(self, checkin: ArtifactId) -> str | None:
        with self.store.reader() as reader:
            placed = places.placed(reader, checkin)
        assert placed is not None
        return placed.branch

    def leaves(self, branch: str = MAIN) -> list[ArtifactId]:
        """Check-ins of the branch without a child on it, as `fossil leaves` has it."""
        with self.store.reader() as reader:
            mine = [entry.placed for entry in timeline.entries(reader, 10_000, timeline.of_branch(branch))]
        parents = {parent for placed in mine for parent in placed.parents}
        return [placed.id for placed in mine if placed.id not in parents]
