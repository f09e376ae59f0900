"""The refs of a group, as its members agree on them: one key a branch, moved by comparing its value.

    <space>group           {"life", "copies"}: compared in every transaction, so that nothing moves in another life
    <space>ref/<branch>    {"checkin", "serial", "member"}: where the branch stands, and who moved it there

    propose     Won        the keys have these values now
                Lost       one has another, and none was moved; where all of them stand comes with the answer
                Unknown    they may have either, or get them yet: the same is proposed again until it is won or lost

A value is compared byte for byte as it was read, never by its revision: after a restore from a backup revisions come
again. What a read says settles nothing about a wish whose outcome is unknown, which may still be travelling. An answer
from another cluster, or of a lower revision than one that was given before, puts the group on hold.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import Away, OnHold
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.refs.branch import BranchName
from xferzone.refs.keys import MAX_COMPARES, Keys, Stand, Transacted

TRIES: Final = 3  # times that a wish is proposed before its outcome stays unknown for now
MAX_MOVES: Final = 100  # branches that move in one transaction, all or none; etcd compares 128 keys
MAX_COPIES: Final = 16  # members that have to have an artifact before a ref moves to it

_GROUP: Final = "group"
_REF: Final = "ref/"
LOOK: Final = "see `xferzone group check`"  # the remedy where an operator has to look


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a branch stands. `serial` None: no version of it has one; `member`: who moved it there."""

    checkin: ArtifactId
    serial: int | None
    member: str

    def encode(self) -> bytes:
        """The value of its key."""
        return _encoded({"checkin": self.checkin, "serial": self.serial, "member": self.member})

    @classmethod
    def parse(cls, value: bytes, key: str) -> "Tip":
        """Raises OnHold: `key` was not written by a member."""
        fields = _decoded(value, key)
        checkin, serial, member = (fields.get(each) for each in ("checkin", "serial", "member"))
        try:
            if not isinstance(member, str) or not (serial is None or type(serial) is int):
                raise ValueError("no member, or no serial")
            if serial is not None and not 0 <= serial < 1 << 32:
                raise ValueError("no serial")
            return cls(parse_artifact_id(str(checkin).encode()), serial, member)
        except ValueError as exc:
            raise _no_member_wrote(key) from exc


@dataclass(frozen=True, slots=True)
class Rules:
    """What all members of a group share.

    Fields:
        life: which life of the group it is; `group restore` begins another one.
        copies: how many members have to have an artifact before a ref moves to it, the moving one included.
    """

    life: str
    copies: int = 1

    def encode(self) -> bytes:
        """The value of its key."""
        return _encoded({"life": self.life, "copies": self.copies})

    @classmethod
    def parse(cls, value: bytes, key: str) -> "Rules":
        """Raises OnHold: the group has ended, is being made, or `key` was not written by a member."""
        fields = _decoded(value, key)
        if fields.get("ended"):
            raise OnHold(f"the group has ended, as {key} says: its last member left it")
        if (maker := fields.get("beginning")) is not None:
            raise OnHold(
                f"{maker} is making the group: if it was interrupted, `xferzone group join` there again"
            )
        life, copies = fields.get("life"), fields.get("copies")
        if not isinstance(life, str) or type(copies) is not int or not 1 <= copies <= MAX_COPIES:
            raise _no_member_wrote(key)
        return cls(life, copies)


@dataclass(frozen=True, slots=True)
class Wish:
    """The branch, from where its key was read to stand (None: it has none) to `to`."""

    branch: BranchName
    expected: Tip | None
    to: Tip


@dataclass(frozen=True, slots=True)
class Won:
    """The branches stand where it was wished."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One of the branches stands elsewhere. `found`: where each of them stands; None: it has no key."""

    found: Mapping[BranchName, Tip | None]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether the branches have moved, or will yet, is not known; and why."""

    reason: str


class Seen:
    """The last answer of the keys that this process knows of; threads may share it.

    Fields:
        beginning: counts how often a member began to count anew, from keys that were set back and are believed.
    """

    def __init__(self, stand: Stand | None = None, beginning: int = 0) -> None:
        self._lock = threading.Lock()
        self.stand = stand
        self.beginning = beginning

    def check(self, since: Stand | None, stand: Stand, name: str) -> None:
        """Note an answer; `since`: what was known when it was asked for. Raises OnHold: the keys were set back."""
        if since is not None and stand.cluster != since.cluster:
            raise OnHold(
                f"{name} is another cluster than before ({stand.cluster}, not {since.cluster}): it was restored or "
                "made anew",
                LOOK,
            )
        if since is not None and stand.revision < since.revision:
            raise OnHold(
                f"{name} was set back: it is at revision {stand.revision} and was at {since.revision}",
                LOOK,
            )
        with self._lock:
            if self.stand is None or stand.revision > self.stand.revision:
                self.stand = stand


def _always() -> bool:
    return True


class SharedRefs:
    """The refs of a group, by the keys of etcd or of a model of it.

    Fields:
        space: what all keys of this group and project begin with, from "/" or a word to "/".
        seen: the last answer that is known of.
    """

    def __init__(self, keys: Keys, space: str, life: str, seen: Seen | None = None) -> None:
        self.keys = keys
        self.space = space
        self._life = life
        self.seen = seen or Seen()
        self._known: bytes | None = (
            None  # the value of the group's key as last read; each transaction compares it
        )

    def rules(self) -> Rules:
        """What the group has agreed on. Raises Away; OnHold: it is not there, or of another life."""
        return self._rules(self._values([self.space + _GROUP]))

    @property
    def known(self) -> bytes | None:
        """The rules as last read, as `propose` takes them."""
        return self._known

    @property
    def copies(self) -> int:
        """How many members have to hold something, as last read; 1: it was not read yet."""
        return 1 if self._known is None else Rules.parse(self._known, self.space + _GROUP).copies

    def read(self, branches: Iterable[BranchName]) -> Mapping[BranchName, Tip | None]:
        """Where these stand, and the rules beside. Raises Away, OnHold."""
        names = {each: self.key(each) for each in branches}
        found: dict[str, bytes] = {}
        wanted = list(names.values())
        for start in range(0, len(wanted), MAX_COMPARES - 1):
            found |= self._values([self.space + _GROUP, *wanted[start : start + MAX_COMPARES - 1]])
        if names:
            self._rules(found)
        return {branch: _tip(key, found.get(key)) for branch, key in names.items()}

    def all(self) -> tuple[Stand, Mapping[BranchName, Tip]]:
        """Where every branch stands, and at which revision. Raises Away, OnHold."""
        since = self.seen.stand
        listed = self.keys.list(self.space + _REF)
        self.seen.check(since, listed.stand, self.keys.name)
        return listed.stand, self.tips(listed.values)

    def tips(self, values: Mapping[str, bytes | None]) -> Mapping[BranchName, Tip]:
        """What these keys say of branches; others, and those that are gone, are passed over."""
        found = {}
        for key, value in values.items():
            branch = BranchName.parse(key.removeprefix(self.space + _REF))
            if value is not None and branch is not None and key.startswith(self.space + _REF):
                found[branch] = Tip.parse(value, key)
        return found

    def propose(
        self, wishes: Sequence[Wish], known: bytes | None = None, again: Callable[[], bool] = _always
    ) -> Won | Lost | Unknown:
        """Move MAX_MOVES branches at most, all or none; while the outcome is unknown, again, up to TRIES times.

        Args:
            known: the rules by which copies were made, as `known` was then; under others nothing is moved.
            again: asked before another attempt. False: there is none, and the outcome stays unknown for now.

        Raises:
            OnHold: nothing is decided now; nothing was moved by this call.
        """
        keys, reason = self._keys(wishes), ""
        wanted = {key: each.to.encode() for key, each in keys.items()}
        expected = {key: _value(each.expected) for key, each in keys.items()}
        for attempt in range(TRIES):
            if attempt and not again():
                break
            try:
                if known is None:
                    self.rules()
                    known = self._known
                since = self.seen.stand
                done = self.keys.transact({self.space + _GROUP: known, **expected}, wanted)
                self.seen.check(since, done.stand, self.keys.name)
            except OnHold:
                if reason:  # an attempt before may have moved them
                    return Unknown(reason)
                raise
            except Away as exc:
                reason = str(exc)
                continue
            stand = {key: done.found.get(key) for key in wanted}
            if done.succeeded or stand == wanted:
                return Won()
            if stand != expected:
                return Lost({each.branch: _tip(key, stand[key]) for key, each in keys.items()})
            self._known = None
            return Unknown(reason or "the group's rules have changed")
        return Unknown(reason)

    def change(
        self, expected: Mapping[str, bytes | None], puts: Mapping[str, bytes | None], lease: int | None = None
    ) -> Transacted:
        """Put other keys of the group, by their names in it, if those in `expected` have these values.

        Nothing is put in another life of the group. `found` has names in the group, too.

        Raises:
            Away, OnHold
            Lapsed: the lease has ended. Nothing was put.
        """
        if self._known is None:
            self.rules()
        since, group = self.seen.stand, self.space + _GROUP
        compared = {group: self._known} | {self.space + name: value for name, value in expected.items()}
        done = self.keys.transact(compared, {self.space + name: value for name, value in puts.items()}, lease)
        self.seen.check(since, done.stand, self.keys.name)
        if not done.succeeded and done.found.get(group) != self._known:
            self._rules(done.found)
        found = {key.removeprefix(self.space): value for key, value in done.found.items()}
        return Transacted(done.stand, done.succeeded, found)

    def key(self, branch: BranchName) -> str:
        """The name of the branch's key."""
        return f"{self.space}{_REF}{branch}"

    def _keys(self, wishes: Sequence[Wish]) -> Mapping[str, Wish]:
        if len(wishes) > MAX_MOVES:
            raise ValueError(f"{len(wishes)} branches in one transaction, over {MAX_MOVES}")
        return {self.key(each.branch): each for each in wishes}

    def _values(self, names: list[str]) -> dict[str, bytes]:
        """The values of the keys with these names that are there."""
        since = self.seen.stand
        # A comparison that fails brings the values; one transaction, so they are of one moment.
        done = self.keys.transact(dict.fromkeys(names), {})
        self.seen.check(since, done.stand, self.keys.name)
        return dict(done.found)

    def _rules(self, found: Mapping[str, bytes]) -> Rules:
        key = self.space + _GROUP
        value = found.get(key)
        if value is None:
            raise OnHold(
                f"{self.keys.name} has no {key}: it was emptied or restored; see `xferzone group restore`"
            )
        rules, self._known = Rules.parse(value, key), value
        if rules.life != self._life:
            raise OnHold(
                f"{self.keys.name} has another life of the group, {rules.life} and not {self._life}: join again with "
                "`xferzone group join`"
            )
        return rules


def _value(tip: Tip | None) -> bytes | None:
    return None if tip is None else tip.encode()


def _tip(key: str, value: bytes | None) -> Tip | None:
    return None if value is None else Tip.parse(value, key)


def _encoded(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def _decoded(value: bytes, key: str) -> Mapping[str, object]:
    try:
        fields = json.loads(value)
    except ValueError as exc:
        raise _no_member_wrote(key) from exc
    if not isinstance(fields, dict):
        raise _no_member_wrote(key)
    return fields


def _no_member_wrote(key: str) -> OnHold:
    return OnHold(f"{key} has a value that no member wrote", LOOK)
