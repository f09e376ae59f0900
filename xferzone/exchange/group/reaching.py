"""A group over HTTP: etcd by its gateway, and the fellows by their walks.

Who is a member is read from the keys, and remembered for REMEMBERED_S, and for longer while they cannot be reached.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from xferzone.env import Env
from xferzone.errors import Away
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.http import HTTPFellows
from xferzone.exchange.group.standing import check, standing, unreached
from xferzone.refs.consensus import Seen, SharedRefs
from xferzone.refs.etcd import Etcd
from xferzone.refs.membership import Membership
from xferzone.refs.reached import reached
from xferzone.refs.roster import Member, Names, registered

REMEMBERED_S: Final = 5.0  # seconds for which it is remembered who is a member


class Reaching:
    """The group of one member, as long as its share stays the same; close it at the end."""

    # many: whose group it is, and what is known of it
    def __init__(self, repository: Path, share: Membership, project: str, last: Seen, env: Env) -> None:
        self.share = share
        self.pid = os.getpid()
        self._keys = reached(share)
        self._fellows = HTTPFellows(
            share,
            project,
            _Registered(self._keys, share.space(project), env),
            env,
            unreached=lambda: unreached(repository, env.clock_ms()),
        )
        self._living = Names(share.space(project)).alive("")
        refs = SharedRefs(self._keys, share.space(project), share.group, last)
        may = partial(check, repository, share.group)
        self._repository, self._env = repository, env
        self.group = Group(share.name, refs, self._fellows, may, self.alive)

    def alive(self, enough: int) -> int:
        """How many members are alive, this one included, by their leases: `enough`, or more. Raises Away.

        Its group program hears of leases that end, so the keys are asked only where they are too few by that.
        """
        found = standing(self._repository)
        if found is not None and found.state == "up" and not found.is_stale(self._env.clock_ms()):
            heard = 1 + sum(each.is_alive for each in found.fellows)
            if found.group == self.share.group and heard >= enough:
                return heard
        living = self._keys.list(self._living).values
        return len({self._living + self.share.name, *living})

    def believe(self, last: Seen) -> None:
        """Have seen what is kept now: more, if another process has; less, if keys that were set back are believed."""
        seen = self.group.refs.seen
        if last.beginning != seen.beginning:
            self.group.refs.seen = last
        elif last.stand is not None and (seen.stand is None or seen.stand.cluster == last.stand.cluster):
            seen.check(None, last.stand, self._keys.name)

    def close(self) -> None:
        self._fellows.close()
        self._keys.close()


class _Registered:
    """Who is registered as a member, by name."""

    def __init__(self, keys: Etcd, space: str, env: Env) -> None:
        self._keys = keys
        self._space = space
        self._env = env
        self._known: Mapping[str, Member] = {}
        self._until = float("-inf")

    def __call__(self) -> Mapping[str, Member]:
        if self._env.monotonic() >= self._until:
            try:
                self._known = registered(self._keys, self._space)
            except Away:
                return self._known  # nothing is proposed meanwhile, but what keys name may still be fetched
            self._until = self._env.monotonic() + REMEMBERED_S
        return self._known
