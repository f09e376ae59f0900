r"""POST /v0/copies: what a member sends its fellows to hold, and what they say they hold. Both ends of the body.

    body      HEAD LF batch          packed with zstd as a whole
    HEAD      Head, one line of JSON
    batch     of the pull form (batch.py): what comes, each with its name, without a cursor
    reply     Held, one line of JSON

    what comes ─> verified ─> stored, in one transaction and on the disk ─> what is lacking is looked up ─> told

It is all of a request that is stored, or nothing. No ref moves, nothing is published or forked, no policy is asked: the
fellow that sends it has done so, and the group decides. A delta whose source is not here is kept aside, and is lacking.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import chain
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from xferzone import delta
from xferzone.artifacts import Parsed
from xferzone.cards import coding
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError, XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Door, LocalRefs
from xferzone.refs.membership import Membership, membership
from xferzone.refs.roster import Member as Registered
from xferzone.refs.roster import known_fellows
from xferzone.replicate import batch
from xferzone.replicate.batch import Arriving, Unsent
from xferzone.replicate.messages import MAX_NAMED, Hash
from xferzone.store import Reader, Store, Writer, brought, closure, outgoing
from xferzone.store.brought import Bringer
from xferzone.store.incoming import Received
from xferzone.store.sql import storable
from xferzone.sync.server.taking import AT_ONCE, MAX_CARDS, TOGETHER, cards_of

CONTENT_TYPE: Final = "application/x-xferzone-copies"
MAX_WIRE: Final = 64 * 1024 * 1024  # bytes of a request as it travels, and
MAX_BODY: Final = 2 * MAX_WIRE  # expanded; as of a push (exchange/answer.py)
MAX_BRANCHES: Final = 1_000  # of one request
MAX_EXPANDED: Final = 1024 * 1024 * 1024  # bytes that the artifacts of one request make; ours, some 5 s
NO_MEMBER: Final = "this repository is not a member of a group: see `xferzone group status`"
_MAX_HEAD: Final = 8 * 1024 * 1024  # bytes: all names that there may be, and who brought them

_Text = Annotated[str, Meta(max_length=1_000)]
_Branch = Annotated[str, Meta(max_length=1_000)]
_Hashes = Annotated[list[Hash], Meta(max_length=MAX_NAMED)]


class At(Struct, frozen=True, forbid_unknown_fields=True):
    """A branch, "example.com/main", and a check-in: where it is to stand, or does."""

    branch: _Branch
    hash: Hash


class Newest(Struct, frozen=True, forbid_unknown_fields=True):
    """The artifact that came last to a member's file, and the row that it has there."""

    row: Annotated[int, Meta(ge=0, le=2**62)]
    hash: Hash


class By(Struct, frozen=True, forbid_unknown_fields=True):
    """Who brought some artifacts to the group, and by which door (refs/occasion.py)."""

    login: _Text
    door: Door
    artifacts: _Hashes


class Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of a fellow besides to hold what comes.

    Fields:
        group: the life of the group that the sender is in.
        branches: is all here that leads to these?
        artifacts: are these here?
        brought: of what comes, who brought it.
        newest: what the fellow told as its own when it answered last; None: it did not.
    """

    group: _Text
    branches: Annotated[list[At], Meta(max_length=MAX_BRANCHES)] = []
    artifacts: _Hashes = []
    brought: Annotated[list[By], Meta(max_length=MAX_NAMED)] = []
    newest: Newest | None = None


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a member holds, durably.

    Fields:
        member, life: who it is (refs/membership.py).
        lacking: what leads to the branches that were asked for, or was asked for itself, and is not here.
        more: there is more of that.
        branches: where those stand here that were asked for; without those that have no ref.
        newest: what came last; None: nothing is here.
        is_set_back: this file is not the one that told what the head has as `newest`: it is another one, or an older.
        members: if nothing is asked for, of whom this member knows, by name.
    """

    member: str
    life: str
    lacking: list[Hash]
    more: bool
    branches: list[At]
    newest: Newest | None = None
    is_set_back: bool = False
    members: dict[str, Registered] = {}


class NotTaken(Exception):
    """A request that is not taken, with the HTTP status that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


# -- the sender's end


def body(head: Head, records: Iterable[bytes]) -> bytes:
    """The body of a request, packed. `records`: as batch.py makes them for a pull."""
    text = msgspec.json.encode(head) + b"\n"
    packed = BytesIO()
    coding.pack([text, batch.MAGIC, *records, batch.end()], packed)
    return packed.getvalue()


def by(bringers: Mapping[ArtifactId, Bringer]) -> list[By]:
    """As Head has it."""
    found: dict[Bringer, list[Hash]] = {}
    for artifact, bringer in bringers.items():
        found.setdefault(bringer, []).append(artifact)
    return [By(storable(who.login), Door(who.door), names) for who, names in found.items()]


# -- the fellow's end


def hold(store: Store, octets: Iterable[bytes]) -> Held:
    """Store what a body brings, all of it or nothing, and tell what is held.

    Raises:
        NotTaken: the body is malformed, an artifact is not what its name says, or this is not the sender's group.
        XferzoneError: nothing can be stored here.
    """
    try:
        head, arriving = opened(octets)
        slices = _slices(arriving.pulled())
        first = next(slices, [])
        if first:
            with store.writer() as writer:
                _share(writer, head)
                _put(writer, head, chain((first,), slices))
                writer.fault("copies.stored", 0.1)
    except (PeerError, MalformedDelta) as exc:
        raise NotTaken(400, str(exc)) from exc
    with store.reader() as reader:
        return _held(reader, head, _share(reader, head))


def opened(octets: Iterable[bytes]) -> tuple[Head, Arriving]:
    """The head of a body, and what comes behind it. Raises PeerError: it is malformed."""
    pieces = iter(octets)
    text = bytearray()
    while b"\n" not in text:
        piece = next(pieces, None)
        if piece is None or len(text) > _MAX_HEAD:
            raise PeerError(f"copies without a head of at most {_MAX_HEAD} bytes")
        text += piece
    line, _, rest = bytes(text).partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise PeerError(f"copies with a head that cannot be read: {exc}") from exc
    return head, Arriving(chain((rest,) if rest else (), pieces))


def _share(reader: Reader, head: Head) -> Membership:
    share = membership(reader)
    if share is None:
        raise NotTaken(409, NO_MEMBER)
    if share.group != head.group:
        raise NotTaken(
            409,
            f"this member is in life {share.group[:40]} of the group, and the sender in {head.group[:40]}: "
            "see `xferzone group check`",
        )
    return share


def _slices(records: Iterable[Received | Unsent]) -> Iterator[Sequence[Received]]:
    """What came, in steps of bounded size. Raises PeerError: it makes too much, or the body is cut or malformed."""
    made = size = 0
    found: list[Received] = []
    for record in records:
        if isinstance(record, Unsent):
            continue  # what the sender could not read: it is lacking
        found.append(record)
        one = _made(record)
        made, size = made + one, size + one
        if made > MAX_EXPANDED:
            raise PeerError(f"copies that make over {MAX_EXPANDED} bytes: send fewer at a time")
        if size >= AT_ONCE or len(found) >= TOGETHER:
            yield found
            found, size = [], 0
    if found:
        yield found


def _made(record: Received) -> int:
    if record.source is None:
        return len(record.payload)
    try:
        return max(len(record.payload), min(delta.target_size(record.payload), delta.MAX_SIZE))
    except MalformedDelta:
        return len(record.payload)  # told when it is stored


class _Counting:
    """What is asked of each artifact that comes: is it too much?"""

    def __init__(self) -> None:
        self._cards = 0

    def __call__(self, artifact: ArtifactId, content: bytes, parsed: Parsed) -> None:
        self._cards += cards_of(parsed)
        if self._cards > MAX_CARDS:
            raise PeerError(f"with {artifact} copies have over {MAX_CARDS} cards: send fewer at a time")


def _put(writer: Writer, head: Head, slices: Iterable[Sequence[Received]]) -> None:
    bringers = {
        ArtifactId(each): Bringer(one.login, one.door.value) for one in head.brought for each in one.artifacts
    }
    counting = _Counting()
    for some in slices:
        here = writer.present(each.artifact for each in some)
        _put_slice(writer, some, counting)
        for each in some:
            if each.artifact in bringers and each.artifact not in here:
                brought.note(writer, [each.artifact], bringers[each.artifact])


def _put_slice(writer: Writer, some: Sequence[Received], counting: _Counting) -> None:
    try:
        writer.put_all(some, refuse=counting)
    except CorruptArtifact as exc:
        if any(each.artifact == exc.artifact for each in some):
            raise PeerError(f"artifact {exc.artifact} is not what its name says: {exc.reason}") from exc
        raise XferzoneError(f"artifact {exc.artifact} is damaged here: {exc.reason}") from exc


def _held(reader: Reader, head: Head, share: Membership) -> Held:
    asked = [ArtifactId(each) for each in head.artifacts]
    here = reader.present(asked)
    lacking: dict[str, None] = dict.fromkeys(each for each in asked if each not in here)
    tips = [ArtifactId(each.hash) for each in head.branches]
    lacking |= dict.fromkeys(closure.lacking(reader, tips, MAX_NAMED + 1))
    refs = LocalRefs(reader)
    stand = [refs.get(BranchName.parse(each.branch)) for each in head.branches]
    last, before = newest(reader), head.newest
    return Held(
        member=share.name,
        life=share.life,
        lacking=[*lacking][:MAX_NAMED],
        more=len(lacking) > MAX_NAMED,
        branches=[At(str(ref.branch), ref.checkin) for ref in stand if ref is not None],
        newest=last,
        is_set_back=before is not None and not outgoing.is_at(reader, before.row, ArtifactId(before.hash)),
        members={} if asked or tips else known_fellows(reader),
    )


def newest(reader: Reader) -> Newest | None:
    """What came last here. None: nothing is here."""
    found = outgoing.newest(reader)
    return None if found is None else Newest(*found)
