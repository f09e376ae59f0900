"""Whether a configuration, and the options beside it, serve zones as the group does that the repository belongs to.

    at start     another rule: no DNS
    at HUP       another rule: refused, and DNS goes on as before
    while it runs, the group's rules change: one warning, and `group check` and `group status` tell it

What the group has is what was heard last, and no etcd is asked: DNS does not wait for it.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from xferzone.errors import UsageError, XferzoneError
from xferzone.refs import serving
from xferzone.refs.serving import Difference, Rule
from xferzone.store import Reader

if TYPE_CHECKING:  # msgspec behind it takes a while
    from xferzone.cli.configuration import Chosen

MAX_TOLD: Final = 10  # patterns of zones that are named
REMEDY: Final = "`xferzone group serving` shows the group's rules, `xferzone group serving FILE` changes them"

_log = logging.getLogger(__name__)


def check(reader: Reader, chosen: "Chosen") -> None:
    """See that DNS may start with that configuration in this repository.

    Raises:
        UsageError: it serves zones otherwise than the group does; where that is written, and what the group has.
    """
    rules = serving.known(reader)
    if rules is not None and (found := told(chosen, rules)):
        raise UsageError("\n".join([*found[:-1], f"{found[-1]}: {REMEDY}"]))


def told(chosen: "Chosen", rules: Sequence[Rule]) -> list[str]:
    """A line for each pattern of zones that the configuration serves otherwise than these rules. `at` is exempt."""
    places = _places(chosen)
    differing = serving.differences(chosen.terms.rules(), rules)
    found = [_line(chosen, places, each) for each in differing if not _is_pinned(chosen, each)]
    more = [f"and {len(found) - MAX_TOLD} patterns of zones more"] if len(found) > MAX_TOLD else []
    return found[:MAX_TOLD] + more


class Agreement:
    """Of a server that runs. `doubt`: how its zones are served otherwise than the group's; empty: they are not."""

    def __init__(self) -> None:
        self._chosen: Chosen | None = None
        self._seen = ""  # the group's rules that `doubt` is about
        self.doubt = ""

    def take(self, chosen: "Chosen") -> None:
        """Go by that configuration from now on."""
        self._chosen, self._seen, self.doubt = chosen, "", ""

    def has_news(self, setting: str) -> bool:
        """Look at the rules that the group is known to have; whether `doubt` has changed."""
        if setting == self._seen or self._chosen is None:
            return False
        before, self._seen = self.doubt, setting
        try:
            rules = serving.of_setting(setting)
        except XferzoneError as exc:
            self.doubt = str(exc)
        else:
            self.doubt = "" if rules is None else "; ".join(told(self._chosen, rules))
        if self.doubt and self.doubt != before:
            _log.warning("zones are served otherwise than in the group: %s: %s", self.doubt, REMEDY)
        return self.doubt != before


def _places(chosen: "Chosen") -> Sequence[int]:
    """For each of the terms' patterns, which [[zone]] it is of."""
    return [number for number, zone in enumerate(chosen.config.zone) for _ in zone.names]


def _line(chosen: "Chosen", places: Sequence[int], found: Difference) -> str:
    where = "default"
    if found.place is not None:
        key = "branch" if found.ours.branch != found.theirs.branch else "canary"
        where = chosen.loaded.origin("zone", places[found.place], key)
    where = "by default" if where == "default" else where
    return f"{where}: {found.zone} is served from {found.ours}, and in the group from {found.theirs}"


def _is_pinned(chosen: "Chosen", found: Difference) -> bool:
    """Whether a version of the past is served, whichever branch it is of."""
    return found.place is not None and chosen.terms.zones[found.place][1].at is not None
