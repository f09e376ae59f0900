"""The second branch that some clients of a zone get: the way to it, and what is doubtful about it.

    branch never published, removed, not compiled     all get main
    zone signed, other names or types in the branch   all get main, for denials are used for other names
    SOA, NS, ... of the apex, a delegation differ     main's are sent to all (nameserver/canary.py)

Each is said once by the agent, and again when it changes.
"""

from collections.abc import Callable, Iterator
from typing import Final

from xferzone.config import Network
from xferzone.dnsd.terms import Canary, Terms
from xferzone.errors import NotReady
from xferzone.nameserver.canary import CanaryView, Differences, is_signed
from xferzone.nameserver.route import Cohorts, Resolvers, Route
from xferzone.nameserver.view import View
from xferzone.refs.served import Served, ServedZone, State
from xferzone.zone.index import Index

SHOWN: Final = 5  # names in a line of the log


class Canaries:
    """The canaries of the zones of a process."""

    def __init__(self, terms: Terms) -> None:
        canaries = [each.canary for _pattern, each in terms.zones if each.canary is not None]
        networks = dict.fromkeys(network for canary in canaries for network in canary.ecs_from)
        #: Those that any zone believes.
        self.resolvers = Resolvers(tuple(networks))
        self._resolvers: dict[tuple[Network, ...], Resolvers] = {}
        self._cohorts: dict[str, Cohorts] = {}

    def route(self, zone: str, canary: Canary) -> Route:
        """Who gets the canary of the zone of that id."""
        cohorts = self._cohorts.get(zone)
        if cohorts is None:
            cohorts = self._cohorts[zone] = Cohorts(zone, canary.hundredths, canary.salt)
        believed = self._resolvers.setdefault(canary.ecs_from, Resolvers(canary.ecs_from))
        return Route(cohorts, believed)


class Comparison:
    """Main's view of a zone beside its canary's; `view` is None, and `reason` says why, where all clients get main.

    Raises:
        NotFound: the canary has moved since (ask for changes).
        XferzoneError: a part cannot be read.
    """

    def __init__(
        self, main: View, canary: ServedZone | None, served: Served, opened: Callable[[int], Index]
    ) -> None:
        self.view: CanaryView | None = None
        self.reason = ""
        self.is_uncompiled = False
        self._main = main
        self._differences: Differences | None = None
        if canary is None or canary.state is State.REMOVED:
            self.reason = "does not exist" if canary is None else "was removed"
            return
        try:
            parts = served.indexes(canary)
        except NotReady:
            self.reason, self.is_uncompiled = "is not compiled yet", True
            return
        shared = {number for _first, number in parts} & set(main.numbers)
        self._differences = Differences.of(
            (opened(number) for number in main.numbers if number not in shared),
            (opened(number) for _first, number in parts if number not in shared),
        )
        view = CanaryView(main, parts, opened, self._differences)
        if not is_signed(main, view):
            self.view = view
        elif self._differences is None:
            self.reason = "differs too much to be compared, and the zone is signed"
        elif self._differences.in_types:
            self.reason = "has other names or types, and the zone is signed"
        else:
            self.view = view

    def doubts(self) -> Iterator[str]:
        """What operators should know, each after the words "canary branch NAME"."""
        if self.reason:
            yield f"{self.reason}: all clients get main"
        elif self._differences is None:
            yield "differs too much to be compared: delegations and the apex's keys, NS and SOA are main's"
        else:
            if types := self._differences.at_apex():
                yield f"changes {' '.join(types)} of the apex: main's are sent to all"
            if names := self._differences.at_delegations(self._main):
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                yield f"changes the delegations at {' '.join(names[:SHOWN])}{more}: main's are sent to all"
