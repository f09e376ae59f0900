"""What the keys of a group say, kept up to date: listed, then watched from there on, and listed again now and then.

    list     at the start, every LIST_S, after a watch that broke off, or that the keys are too new for
    watch    what has changed since (watched.py); an idle one and a dead one look the same, so nothing rests on it alone

A list is linearizable, a watch is not: what seems older than what was seen before is listed before it is believed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from xferzone.env import Env
from xferzone.errors import Away
from xferzone.exchange.group.watched import Watched
from xferzone.refs import BranchName
from xferzone.refs.consensus import SharedRefs, Tip
from xferzone.refs.keys import Changes, Compacted, Listed, Stand
from xferzone.refs.roster import Names, Roster, removed

LIST_S: Final = 30.0  # seconds between two lists; 20,000 keys take etcd 0.4 s
PAUSE_S: Final = 1.0  # seconds between two lists, at least, when watches break off one after the other

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What the keys say that was not known.

    Fields:
        stand: up to where they were heard.
        tips: where branches stand; after a list, all of them.
        others: the other keys; None: they are as before.
        is_all: it comes from a list.
        is_after_break: a watch had broken off before that list.
    """

    stand: Stand
    tips: Mapping[BranchName, Tip]
    others: Roster | None
    is_all: bool
    is_after_break: bool = False


class Listening:
    """To one group's keys; asked by one thread.

    Fields:
        next_list: when they are listed anew, in monotonic seconds.
        removed: as Roster has it, by the last list, also if that is not believed.
    """

    def __init__(self, refs: SharedRefs, env: Env, wake: Callable[[], None] | None) -> None:
        """`wake`: called by another thread when something has changed; None: there is no other thread."""
        self._refs = refs
        self._env = env
        self._names = Names(refs.space)
        self._watched = Watched(refs.keys, refs.space, wake)
        self._others: dict[str, bytes] = {}  # values of keys that are not refs'
        self._stand: Stand | None = None  # of the last list
        self._listed_at = 0.0
        self._has_broken = False  # a watch, since the last list
        self.next_list = 0.0
        self.removed: Mapping[str, str] = {}

    def news(self) -> News | None:
        """What is new; None: nothing.

        Raises:
            Away, OnHold: the keys do not answer, or say what cannot be. The next call lists them.
        """
        if self._env.monotonic() >= self.next_list:
            return self._listed()
        assert self._stand is not None
        values: dict[str, bytes | None] = {}
        told = self._stand.revision
        try:
            for changes in self._watched.take():
                if self._is_older(changes):
                    return self._listed()
                # What was only heard of is seen, too: an etcd that forgets it was set back.
                self._refs.seen.check(None, changes.stand, self._refs.keys.name)
                if changes.told > self._stand.revision:  # else the list has told more
                    values |= changes.values
                    told = max(told, changes.told)
        except (Away, Compacted) as exc:
            # Whether etcd answers, and was set back, is for a list to tell: a watch may break for itself.
            _log.info("group watch=ended why=%r", str(exc))
            self._has_broken = True
            self.next_list = self._listed_at + PAUSE_S
            return self._listed() if self._env.monotonic() >= self.next_list else None
        return self._changed(values, Stand(self._stand.cluster, told)) if values else None

    def close(self) -> None:
        """Watch no longer."""
        self._watched.close()

    def _listed(self) -> News:
        self.next_list = 0.0
        since = self._refs.seen.stand
        listed = self._refs.keys.list(self._refs.space)
        self.removed = removed(listed.values, self._names)
        self._refs.seen.check(since, listed.stand, self._refs.keys.name)
        if not self._watched.is_begun or self._is_other_cluster(listed.stand):
            self._watched.begin(listed.stand.revision + 1)
        refs = self._names.refs
        self._others = {key: value for key, value in listed.values.items() if not key.startswith(refs)}
        self._stand, self._listed_at = listed.stand, self._env.monotonic()
        self.next_list = self._listed_at + LIST_S
        tips, has_broken, self._has_broken = self._refs.tips(listed.values), self._has_broken, False
        return News(listed.stand, tips, self._roster(listed.stand), is_all=True, is_after_break=has_broken)

    def _changed(self, values: Mapping[str, bytes | None], stand: Stand) -> News:
        others = {key: value for key, value in values.items() if not key.startswith(self._names.refs)}
        for key, value in others.items():
            if value is None:
                self._others.pop(key, None)
            else:
                self._others[key] = value
        roster = self._roster(stand) if others else None
        return News(stand, self._refs.tips(values), roster, is_all=False)

    def _roster(self, stand: Stand) -> Roster:
        return Roster.of(Listed(stand, self._others), self._refs.space)

    def _is_older(self, changes: Changes) -> bool:
        stand = self._stand
        return stand is not None and (
            self._is_other_cluster(changes.stand) or changes.stand.revision < stand.revision
        )

    def _is_other_cluster(self, stand: Stand) -> bool:
        return self._stand is not None and stand.cluster != self._stand.cluster
