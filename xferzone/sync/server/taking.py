"""The artifacts of a push on their way into the store: opened, gathered, stored together, and what is wrong blamed.

    card ─> payload expanded, bounded ─> gathered ─> Writer.put_all, once in a request that is not large

They are stored before anything answers from the store (a clone), before a second artifact of one name, and whenever
they are much; others may write then, if that took long. Where something is wrong they are stored once more, one by one:
the pusher is told the first fault in order of arrival, and the sender of a source is not blamed for a delta that waited
for it.
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, Parsed, hazard
from xferzone.cards import CFile, File
from xferzone.cards.body import COMPRESSED, stated_size, unpack
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId
from xferzone.refs import Door
from xferzone.store import Writer, brought
from xferzone.store.brought import Bringer
from xferzone.store.incoming import Received
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.zoned import Zoned
from xferzone.transport import Body

AT_ONCE: Final = 16 * 1024 * 1024  # bytes of expanded artifacts that are stored together
TOGETHER: Final = 500  # artifacts, some 0.5 s of work
MAX_EXPANDED: Final = (
    4 * 2**30
)  # bytes of a request's artifacts, expanded; ours, some 20 s: a delta of 30 bytes makes 60 MB
MAX_CARDS: Final = 5_000_000  # files, parents, tags and members in a request's artifacts; ours, some 10 s
MAX_TOLD: Final = 10  # shunned artifacts of a request that its sender is told of
_PASSWORDS: Final = ".passwords"  # ends the name of a file of saved passwords (cli/passwords.py)
#: Why artifacts named by SHA1 are taken from administrators alone, who bring histories from before 2017.
FORGEABLE: Final = (
    "its name is a SHA1 hash, which can be forged. After `fossil hash-policy sha3` your client gives new artifacts "
    "SHA3 names; only an administrator may bring a history that has SHA1 names"
)

#: Why an artifact that says this is not taken from this pusher; None: it is.
Admit = Callable[[Parsed], str | None]


class Judge(NamedTuple):
    """What is not taken, and how its sender is told: `complain` ends his session, `notice` does not."""

    admit: Admit
    complain: Callable[[str], None]
    notice: Callable[[str], None]
    zoned: Zoned


class Taking:
    """Artifacts of one request.

    Fields:
        received: how many were new here.
        names: of all that came.
        passwords: the files of saved passwords that new check-ins hold.
    """

    def __init__(self, writer: Writer, budget: Budget, login: str, push: int, judge: Judge) -> None:
        """`login`, `push`: who is remembered to have brought them, and with which push (store/pushes.py)."""
        self.received = 0
        self.names: set[ArtifactId] = set()
        self.passwords: dict[str, None] = {}
        self._writer = writer
        self._budget = budget
        self._bringer, self._push = Bringer(login, Door.PUSH.value), push
        self._judge = judge
        self._gathered: dict[ArtifactId, Received] = {}
        self._sizes: dict[ArtifactId, int] = {}  # of what was gathered, expanded
        self._size = 0
        self._cards = 0
        self._expanded = 0  # bytes

    def take(self, card: File | CFile) -> None:
        """Open and gather what the card carries.

        Raises:
            PeerError: it is damaged, the request has made too much, or what was gathered before is not what its name
                says.
            TooLarge: it is over the budget's `artifact`.
        """
        if card.artifact in self._gathered:
            self.store()
        self.names.add(card.artifact)
        payload = opened(card, self._budget)
        size = len(payload) if card.source is None else self._made(card.source, payload)
        self._expanded += size
        if self._expanded > MAX_EXPANDED:
            raise PeerError(
                f"with {card.artifact} the artifacts of a request have over {MAX_EXPANDED} bytes: send fewer at a time"
            )
        self._gathered[card.artifact] = Received(card.artifact, card.source, payload)
        self._sizes[card.artifact] = size
        self._size += size
        if self._size >= AT_ONCE or len(self._gathered) >= TOGETHER:
            self.store()

    def store(self) -> None:
        """Store what was gathered. Raises PeerError: something is not what its name says; nothing may be kept."""
        batch = list(self._gathered.values())
        self._gathered, self._sizes, self._size = {}, {}, 0
        if not batch:
            return

        def settle() -> None:
            brought.note(self._writer, [each.artifact for each in batch], self._bringer, self._push)

        try:
            self.received += self._writer.put_all(batch, refuse=self._refusal, settle=settle)
        except (MalformedDelta, CorruptArtifact):
            with self._writer.together():
                for each in batch:
                    self._store_one(each)
        settle()  # what was kept aside, too
        self._writer.fault("server.stored", 0.1)
        if not self._judge.zoned.is_held:  # what is judged at the end is not kept before
            self._writer.give_way()

    def end(self) -> None:
        """Store what was gathered last, and judge all. Raises PeerError as `store`, or since it is not in its zones."""
        self.store()
        self._judge.zoned.judge(self._writer, self.names)

    def _store_one(self, each: Received) -> None:
        try:
            self.received += self._writer.put_all([each], refuse=self._refusal)
        except MalformedDelta as exc:
            raise PeerError(f"bad delta for artifact {each.artifact}: {exc.__cause__ or exc}") from exc
        except CorruptArtifact as exc:
            if exc.artifact == each.artifact:
                raise PeerError(f"wrong hash on received artifact {each.artifact}") from exc
            raise PeerError(f"artifact {exc.artifact} is damaged here: send {each.artifact} whole") from exc

    def _refusal(self, artifact: ArtifactId, content: bytes, parsed: Parsed) -> str | None:
        """Why the artifact is not taken, which the pusher is told; None: it is. Raises PeerError: it is too much."""
        self._cards += cards_of(parsed)
        if self._cards > MAX_CARDS:
            raise PeerError(
                f"with {artifact} a request has over {MAX_CARDS} cards in its artifacts: send fewer at a time"
            )
        harm = hazard(content, parsed)
        if harm is not None:
            reason = f"artifact {artifact} is not taken, it would do harm to other clients: {harm}"
        else:
            self._judge.zoned.note(artifact, parsed)
            reason = self._judge.admit(parsed) or ""
        if reason and (missing := self._missing_target(parsed)):
            # An error would keep its sender from sending that, for ever: he sends this first.
            self._judge.notice(f"{reason}; it is about {missing}, which has not come: that first")
        elif reason:
            self._judge.complain(reason)
        elif isinstance(parsed, CheckIn) and _PASSWORDS.encode() in content:
            self.passwords |= {card.name: None for card in parsed.files if card.name.endswith(_PASSWORDS)}
        return reason or None

    def _missing_target(self, parsed: Parsed) -> ArtifactId | None:
        """An artifact that a control artifact sets a tag on, and that is not here; None: there is none."""
        targets = [tag.target for tag in parsed.tags if tag.target] if isinstance(parsed, Control) else []
        return next((each for each in targets if not self._writer.has(each)), None)

    def _made(self, source: ArtifactId, payload: bytes) -> int:
        """How many bytes the delta makes. Where its source is at hand, more than the budget allows is TooLarge."""
        try:
            made = min(delta.target_size(payload), delta.MAX_SIZE)
        except MalformedDelta:
            return len(payload)  # told when it is stored
        held = self._sizes.get(source) or self._writer.size(source)
        if held:
            self._budget.admit(max(held, made))
        return made  # the source may come a moment later


def opened(card: File | CFile, budget: Budget) -> bytes:
    """The content or delta that the card carries. Raises PeerError: it is damaged; TooLarge: over `budget.artifact`."""
    if isinstance(card, File):
        return card.payload
    budget.admit(min(stated_size(Body.of(COMPRESSED, card.payload)), delta.MAX_SIZE))
    try:
        return unpack(card.payload, limit=delta.MAX_SIZE)
    except ValueError as exc:
        raise PeerError(f"artifact {card.artifact} came damaged: {exc}") from exc


def admit_all(_parsed: Parsed) -> str | None:
    """The Admit of an administrator."""
    return None


def told_of(name: str) -> str:
    """What people are told who pushed a file of saved passwords."""
    return (
        f"{name} keeps passwords, and is in version control now: everybody who may clone can read them. Change these "
        "passwords, and keep this file outside of check-outs"
    )


def left_out(shunned: Collection[ArtifactId]) -> list[str]:
    """What people are told who pushed what is shunned."""
    return [
        f"artifact {each} was left out: it is shunned here, or came as a delta of what is"
        for each in sorted(shunned)[:MAX_TOLD]
    ]


def cards_of(parsed: Parsed) -> int:
    """How much linking has to do with an artifact: what it names."""
    match parsed:
        case CheckIn():
            return len(parsed.files) + len(parsed.parents) + len(parsed.tags)
        case Control():
            return len(parsed.tags)
        case Cluster():
            return len(parsed.members)
    return 0
