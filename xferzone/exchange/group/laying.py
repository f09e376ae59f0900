"""The keys of a group that begins, or begins another life: all of them, in as many transactions as it takes.

group = {"beginning"}   ─> refs, accounts   ─> group = {life, copies}, with the secret and the first member
   compared in each of them: whoever made it goes on where it was interrupted, nobody else joins or proposes
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xferzone.errors import Away
from xferzone.refs.consensus import Rules
from xferzone.refs.keys import MAX_COMPARES, Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member, Roster, beginning


class Overtaken(Exception):
    """Somebody else has changed what was compared: read it again."""


@dataclass(frozen=True, slots=True)
class Laying:
    """The keys of one group while `share` makes it."""

    keys: Keys
    roster: Roster
    share: Membership

    @property
    def _claim(self) -> bytes:
        return beginning(self.share.name, self.share.group)

    def claim(self) -> None:
        """Say who makes the group, unless that is said already. Raises Away; Overtaken: it was somebody else."""
        group = self.roster.names.group
        if self.roster.group == self._claim:
            return
        done = self.keys.transact({group: self.roster.group}, {group: self._claim})
        if not done.succeeded and done.found.get(group) != self._claim:
            raise Overtaken

    def lay(self, values: Mapping[str, bytes]) -> None:
        """Let these be the only keys beside the group's. Raises Away; Overtaken: somebody else makes it by now."""
        group = self.roster.names.group
        kept = {group, *values}
        puts: dict[str, bytes | None] = dict.fromkeys(self.roster.values.keys() - kept)
        puts |= {key: value for key, value in values.items() if self.roster.values.get(key) != value}
        every = list(puts.items())
        for start in range(0, len(every), MAX_COMPARES):
            done = self.keys.transact({group: self._claim}, dict(every[start : start + MAX_COMPARES]))
            if not done.succeeded:
                raise Overtaken

    def open(self, copies: int) -> Roster:
        """Let others join; the group as it is then. Raises Away; Overtaken: somebody else makes it by now."""
        names, share = self.roster.names, self.share
        rules = Rules(share.group, copies)
        puts: dict[str, bytes | None] = {
            names.group: rules.encode(),
            names.secret: share.secret.encode(),
            names.joins: share.life.encode(),
            names.member(share.name): Member(share.life, share.url).encode(),
        }
        done = self.keys.transact({names.group: self._claim}, puts)
        if not done.succeeded and done.found.get(names.group) != rules.encode():
            raise Overtaken
        return Roster.read(self.keys, self.roster.space)


def again(times: int) -> Away:
    """The error after so many attempts, each of which was overtaken."""
    return Away(f"other members have changed the group {times} times meanwhile: try again")
