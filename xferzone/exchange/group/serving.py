"""What members serve of each zone, under the group's keys: a change goes there first, then here; others hear of it.

shown    what the key says, and whether something may be written: the group is not on hold
put      if the key has not changed since it was shown
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xferzone.errors import Away, OnHold, Refused
from xferzone.exchange.group.overview import hold
from xferzone.refs import membership, serving
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Roster
from xferzone.refs.serving import Rule
from xferzone.store import Store


@dataclass(frozen=True, slots=True)
class Serving:
    """The rules of a group as the keys have them, in the repository of a member."""

    store: Store
    keys: Keys
    roster: Roster

    @classmethod
    def read(cls, store: Store, keys: Keys, share: Membership, project: str) -> "Serving":
        """As they are now. Raises Away: etcd cannot be reached; OnHold: these are not the keys that were joined."""
        with store.reader() as reader:
            seen = membership.seen(reader)
        roster = Roster.read(keys, share.space(project))
        if why := hold(keys, roster, share, seen):
            raise OnHold(why)
        return cls(store, keys, roster)

    @property
    def rules(self) -> tuple[Rule, ...] | None:
        """None: there is no such key, and each member serves as its configuration says."""
        value = self.roster.serving
        return None if value is None else serving.parse(value)

    def is_so(self, rules: Sequence[Rule]) -> bool:
        """Whether the key says that already."""
        return self.rules is not None and not any(serving.differences(self.rules, rules))

    def put(self, rules: Sequence[Rule]) -> None:
        """Let the whole group serve so.

        Raises:
            UsageError: they are too long for a key. Nothing was changed.
            Refused: the keys have changed since they were read. Nothing was changed.
            Away: whether it was done is not known.
        """
        value, names = serving.encode(rules), self.roster.names
        expected = {names.group: self.roster.group, names.serving: self.roster.serving}
        try:
            done = self.keys.transact(expected, {names.serving: value})
        except Away as exc:
            raise Away(
                f"{exc}; whether the rules were changed is not known: see `xferzone group serving`"
            ) from exc
        if not done.succeeded and done.found.get(names.serving) != value:
            raise Refused(
                "the group's rules have changed since they were shown, nothing was done: look again"
            )
        with self.store.writer() as writer:
            serving.note(writer, value)
