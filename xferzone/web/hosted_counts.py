"""What is counted of each repository of a server of many; all processes of the server share it.

xferzone_repository_requests_total{repository, status}    requests answered; status: 2xx to 5xx
xferzone_repository_bytes_total{repository, direction}    bytes of bodies

The first NAMES repositories that are asked for have a series each; the others are "_other" together, and what is asked
for and is not there is "_none". No repository has such a name.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from xferzone import metrics
from xferzone.counters import NAMES, Counters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
_DIRECTIONS: Final = ("in", "out")
_WIDTH: Final = len(STATUSES) + len(_DIRECTIONS)  # cells of a repository
_MAX_DIGITS: Final = 9  # of a length; no body is longer
_OTHER, _NONE = NAMES, NAMES + 1


class Counted:
    """A request under way: its status, "2xx" to "5xx", and bytes that went out."""

    def __init__(self) -> None:
        self.status = STATUSES[-1]  # until it is answered
        self.went = 0

    def begins(self, start_response: "StartResponse") -> "StartResponse":
        """The same, which takes note of the status."""

        def begin(status: str, *rest: object) -> Callable[[bytes], object]:
            self.status = f"{status[0]}xx"
            return start_response(status, *rest)  # type: ignore[arg-type]  # as it was called

        return begin


class Counts:
    """To be made before any fork."""

    def __init__(self) -> None:
        self._counters = Counters(_WIDTH * (NAMES + 2))
        self._places: dict[str, int] = {"": _NONE}

    @contextmanager
    def one(self, name: str, environ: "WSGIEnvironment") -> Generator[Counted]:
        """A request, counted when the block ends; `name` empty: of what is not there."""
        counted = Counted()
        try:
            yield counted
        finally:
            first = _WIDTH * self._place(name)
            length = environ.get("CONTENT_LENGTH") or "0"
            came = int(length) if length.isdigit() and len(length) <= _MAX_DIGITS else 0
            numbers = {first + len(STATUSES): came, first + len(STATUSES) + 1: counted.went}
            if counted.status in STATUSES:
                numbers[first + STATUSES.index(counted.status)] = 1
            self._counters.add(numbers)

    def exposition(self) -> Iterator[str]:
        """The lines for Prometheus."""
        names, sums = self._counters.names(), self._counters.sums()
        labelled = [(name, at) for at, name in enumerate(names)] + [("_other", _OTHER), ("_none", _NONE)]
        for family, help_, label, values, start in (
            ("requests", "Requests answered", "status", STATUSES, 0),
            ("bytes", "Bytes of bodies", "direction", _DIRECTIONS, len(STATUSES)),
        ):
            samples = [
                (f'repository="{name}",{label}="{value}"', float(sums[_WIDTH * at + start + number]))
                for name, at in labelled
                for number, value in enumerate(values)
            ]
            yield from metrics.told(
                f"xferzone_repository_{family}_total", help_, "counter", (each for each in samples if each[1])
            )

    def _place(self, name: str) -> int:
        place = self._places.get(name)
        if place is None:
            found = self._counters.place(name)
            if found is None:
                return _OTHER
            place = self._places[name] = found
        return place
