"""What is missing here, and how often the server was asked for it.

    missing before the session      asked for once: an earlier session gave up on it
    missing since                   asked for at most MAX_ASKED times in vain; first, since the server may have named it
    announced instead of sent       the reply had no room for it: its count starts again, if anything new came
    nothing new in MAX_VAIN replies nothing is asked for any more

A delta whose source is missing is kept aside by the store: it came, but it is not here. Its source is asked for; if an
earlier session gave up on that, then it is itself.
Source: Fossil 2.21, src/xfer.c request_phantoms(), which never gives up.
"""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Writer

MAX_ASKED: Final = 3  # times in vain; ours
MAX_VAIN: Final = 3  # requests in a row that ask and bring nothing new; ours
MAX_EXPECTED: Final = (
    50_000  # artifacts announced in one reply that become phantoms; servers announce the rest again
)

_TOGETHER: Final = 50_000  # artifacts looked up together


class Asking:
    """What one session asks for."""

    def __init__(self, fewest: int) -> None:
        """`fewest`: artifacts in one request; twice as many as came last, if that is more."""
        self._fewest = fewest
        self._asked: dict[ArtifactId, int] = {}  # how often in vain
        self._vain = 0  # requests that asked, since something new came
        self._came_before: set[ArtifactId] = set()  # and is not here: a delta without its source
        self._missing_before: set[ArtifactId] = set()
        self._begun_at = 0  # the store's last row before the session
        self._announced: set[ArtifactId] = set()  # and missing here, at that time

    @property
    def absent(self) -> list[ArtifactId]:
        """What was asked for, or came without its source, and is not here; not what was missing before the session."""
        missing = (artifact for artifact in self._asked if artifact not in self._missing_before)
        return list(dict.fromkeys([*missing, *sorted(self._came_before)]))

    @property
    def withheld(self) -> list[ArtifactId]:
        """What of `absent` the server has, as it says; the rest is only named by what came."""
        return [each for each in self.absent if each in self._announced or each in self._came_before]

    # -- before a request

    def begin(self, reader: Reader) -> None:
        """Note what is missing before the session."""
        self._missing_before = set(reader.phantoms(MAX_EXPECTED))
        self._begun_at = reader.last_row()

    def look_again(self, reader: Reader) -> int:
        """Forget what is here by now, by a source or by another sync. How many deltas got their source."""
        completed = reader.present(self._came_before)
        self._came_before -= completed
        for artifact in reader.present(self._asked):
            del self._asked[artifact]
        return len(completed)

    def next(self, reader: Reader, received: int) -> list[ArtifactId]:
        """What to ask for now; counts as asked. `received`: artifacts that the last reply brought."""
        if self._vain >= MAX_VAIN:
            return []
        given_up = sum(map(self._is_given_up, self._asked))
        budget = max(self._fewest, 2 * received)
        # What was named in this session comes first: thousands that nobody has may be missing since long before.
        wanted: dict[ArtifactId, None] = {}
        for behind in (self._begun_at, 0):
            missing = reader.phantoms(budget + given_up, behind) if len(wanted) < budget else []
            wanted |= {artifact: None for artifact in missing if not self._is_given_up(artifact)}
        if not wanted:
            wanted = self._waiting_in_vain(reader)
        wanted = dict.fromkeys(islice(wanted, budget))
        for artifact in wanted:
            self._asked[artifact] = self._asked.get(artifact, 0) + 1
        self._vain += bool(wanted)
        return list(wanted)

    def _waiting_in_vain(self, reader: Reader) -> dict[ArtifactId, None]:
        """What waits as a delta for a source that does not come. It may come again as a delta of something else."""
        waiting = reader.aside(filter(self._is_given_up, self._asked))
        self._missing_before.update(artifact for artifact in waiting if artifact not in self._came_before)
        return {artifact: None for artifact in waiting if not self._is_given_up(artifact)}

    def _is_given_up(self, artifact: ArtifactId) -> bool:
        times = self._asked.get(artifact, 0)
        return times >= MAX_ASKED or (times > 0 and artifact in self._missing_before)

    # -- after a reply

    def is_news(self, came: Collection[ArtifactId], here: Collection[ArtifactId]) -> bool:
        """Whether `came` holds anything that is not in `here`, what was here before it came."""
        # What was asked for counts although another sync of this repository had it first.
        return any(
            (artifact not in here or artifact in self._asked) and artifact not in self._came_before
            for artifact in came
        )

    def note_stored(
        self, came: Collection[ArtifactId], here: Collection[ArtifactId], *, is_news: bool
    ) -> None:
        """Note what came; `here` is what of it is here now."""
        for artifact in here:
            self._asked.pop(artifact, None)
        self._came_before.update(artifact for artifact in came if artifact not in here)
        if is_news:
            self._vain = 0

    def note_announced(
        self, writer: Writer, announced: Sequence[ArtifactId], *, expects: bool, is_news: bool
    ) -> set[ArtifactId]:
        """What of `announced` is here. `expects`: the rest becomes phantoms; `is_news`: the reply was full of news."""
        here: set[ArtifactId] = set()
        room = MAX_EXPECTED if expects else 0
        for start in range(0, len(announced), _TOGETHER):
            some = announced[start : start + _TOGETHER]
            present = writer.present(some)
            here |= present
            missing = [artifact for artifact in some if artifact not in present]
            self._announced.update(missing[: min(room, MAX_EXPECTED - len(self._announced))])
            writer.expect_all(missing[:room])
            room -= len(missing[:room])
            if is_news:
                # Announced instead of sent: the server has it, and had no room.
                self._asked.update((artifact, 0) for artifact in missing if artifact in self._asked)
        return here
