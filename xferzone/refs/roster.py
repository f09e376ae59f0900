"""Who is in a group and what its members share beside refs, as its keys say it.

    <space>group           {"life", "copies"}                   it is there (consensus.Rules)
                           {"beginning": NAME, "life"}          NAME is making it, and nobody else may join yet
                           {"ended": true, "life", "url"}       the member of that life left it last
    <space>member/<name>   {"life", "url"}
    <space>alive/<name>    {"life"}, with a lease
    <space>removed/<name>  {"life"}                             it was taken out, or left; until it is registered again
    <space>account/<login> {"caps", "secret", "version"}; {"gone": true, "version"}: it was removed
    <space>serving         what members serve of each zone (serving.py)
    <space>joins           the life of the member that joined last

Whoever is on hold, because the keys were set back, believes of them only who was removed: what is not listed may have
been forgotten, and nobody waits for members that are gone.

Everyone who joins changes `joins`: so the last member that leaves can compare that nobody has joined meanwhile.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from xferzone.errors import OnHold, UsageError
from xferzone.refs import serving
from xferzone.refs.branch import BranchName
from xferzone.refs.consensus import LOOK, Rules, Tip
from xferzone.refs.keys import Keys, Listed, Stand
from xferzone.refs.membership import FELLOWS, noted
from xferzone.store import Reader, Writer
from xferzone.transport.url import is_same_place

MAX_NAME: Final = 63  # letters of a member's name; as many as of a label
MAX_SHOWN: Final = 200  # letters of what somebody else wrote in a key
MAX_PREFIX: Final = 200  # letters
_NAME: Final = re.compile(rf"[a-z0-9](?:[a-z0-9._-]{{0,{MAX_NAME - 2}}}[a-z0-9])?")
_PREFIX: Final = re.compile(r"/?[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_PROJECT: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")

_Kind = TypeVar("_Kind", bound=Struct)


class Member(Struct, frozen=True):
    """A member as its key says it: the life of its repository, and where fellows reach it."""

    life: str
    url: str

    def encode(self) -> bytes:
        """The value of its key."""
        return msgspec.json.encode(self)


class Account(Struct, frozen=True, omit_defaults=True):
    """An account of all members.

    Fields:
        secret: as store/accounts.py has it.
        zones: those that it may write to; empty: all.
        expires_ms: milliseconds since 1970 from which it cannot log in; None: never.
        gone: it was removed.
        version: how often it was changed; of two values the one with the higher one counts.
    """

    caps: Annotated[str, Meta(pattern="^[a-zA-Z0-9]*$")] = ""
    secret: Annotated[str, Meta(pattern="^([0-9a-fA-F]{40})?$")] = ""
    zones: tuple[str, ...] = ()
    expires_ms: int | None = None
    gone: bool = False
    version: Annotated[int, Meta(ge=0)] = 0

    def encode(self) -> bytes:
        """The value of its key."""
        return msgspec.json.encode(self)


class _Life(Struct, frozen=True):
    life: str


class _State(Struct, frozen=True):
    """What the group's key may say beside the rules."""

    life: str = ""
    beginning: str = ""
    ended: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a group's keys. `space`: what they begin with, up to the last slash."""

    space: str

    @property
    def group(self) -> str:
        return f"{self.space}group"

    @property
    def secret(self) -> str:
        return f"{self.space}secret"

    @property
    def joins(self) -> str:
        return f"{self.space}joins"

    @property
    def serving(self) -> str:
        return f"{self.space}serving"

    @property
    def refs(self) -> str:
        """What the keys of all branches begin with."""
        return f"{self.space}ref/"

    @property
    def accounts(self) -> str:
        """What the keys of all accounts begin with."""
        return f"{self.space}account/"

    def ref(self, branch: object) -> str:
        return f"{self.refs}{branch}"

    def member(self, name: str) -> str:
        return f"{self.space}member/{name}"

    def alive(self, name: str) -> str:
        return f"{self.space}alive/{name}"

    def removed(self, name: str) -> str:
        return f"{self.space}removed/{name}"

    def account(self, login: str) -> str:
        return f"{self.accounts}{login}"


@dataclass(frozen=True, slots=True)
class Roster:
    """A group at one moment.

    Fields:
        group: the value of its key, to be compared; None: there is no such key.
        rules: None: there is no group, or it is not ready.
        beginning: who is making it; empty: nobody.
        beginning_life: which life that is to be.
        last: who left it last, after which it has ended. None: it has not.
        members, alive, removed, accounts: by name. `alive` and `removed` have lives.
        secret: what members sign with; empty: the key is not there.
        joins: the value of that key; None: there is no such key.
        serving: the value of that key; None: there is no such key.
        values: of all keys, as they were read.
    """

    stand: Stand
    space: str
    group: bytes | None = None
    rules: Rules | None = None
    beginning: str = ""
    beginning_life: str = ""
    last: Member | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    alive: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    secret: str = ""
    joins: bytes | None = None
    serving: bytes | None = None
    values: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, keys: Keys, space: str) -> "Roster":
        """What the keys of one group say. Raises Away; OnHold: a member did not write one of them."""
        return cls.of(keys.list(space), space)

    @classmethod
    def of(cls, listed: Listed, space: str) -> "Roster":
        """The same of keys that were listed. Raises OnHold."""
        names = Names(space)
        values, group = listed.values, listed.values.get(names.group)
        state = _State() if group is None else _parsed(group, _State, names.group)
        is_ready = group is not None and not state.beginning and not state.ended
        return cls(
            stand=listed.stand,
            space=space,
            group=group,
            rules=Rules.parse(group, names.group) if group is not None and is_ready else None,
            beginning=state.beginning,
            beginning_life=state.life if state.beginning else "",
            last=Member(state.life, state.url) if state.ended else None,
            members=_below(values, names.member(""), Member),
            alive=_lives(values, names.alive("")),
            removed=removed(values, names),
            accounts=_below(values, names.account(""), Account),
            secret=values.get(names.secret, b"").decode("ascii", "replace"),
            joins=values.get(names.joins),
            serving=_serving(values, names.serving),
            values=values,
        )

    @property
    def names(self) -> Names:
        return Names(self.space)

    def at(self, url: str, but: str) -> str | None:
        """The member that fellows reach at this URL, other than the one called `but`. None: there is none."""
        others = self.fellows(but).items()
        return next((name for name, each in others if is_same_place(each.url, url)), None)

    def shortage(self, without: str = "") -> str:
        """That more members must hold each change than there are, `without` that one; empty: there are enough."""
        number = len(self.members.keys() - {without})
        if self.rules is None or self.rules.copies <= number:
            return ""
        have = "there is 1" if number == 1 else f"there are {number}"
        return f"{self.rules.copies} members must hold each change, and {have}"

    def tips(self) -> dict[BranchName, Tip]:
        """Where every branch stands. Raises OnHold: a member did not write it."""
        found = {}
        for key, value in self.values.items():
            branch = (
                BranchName.parse(key.removeprefix(self.names.refs))
                if key.startswith(self.names.refs)
                else None
            )
            if branch is not None:
                found[branch] = Tip.parse(value, key)
        return found

    def is_alive(self, name: str) -> bool:
        """Whether the group program of that member runs."""
        member = self.members.get(name)
        return member is not None and self.alive.get(name) == member.life

    def fellows(self, name: str) -> dict[str, Member]:
        """All members but that one, those that are alive first, then by name."""
        others = sorted(self.members, key=lambda each: (not self.is_alive(each), each))
        return {each: self.members[each] for each in others if each != name}


def beginning(name: str, life: str) -> bytes:
    """The value of the group's key while `name` makes it."""
    return msgspec.json.encode({"beginning": name, "life": life})


def ended(last: Member) -> bytes:
    """The value of the group's key once `last` has left it."""
    return msgspec.json.encode({"ended": True, "life": last.life, "url": last.url})


def account_of(key: str, value: bytes) -> Account:
    """The account that the value of its key says. Raises OnHold: a member did not write it."""
    return _parsed(value, Account, key)


def removed(values: Mapping[str, bytes], names: Names) -> dict[str, str]:
    """The lives of members that were taken out, or left, by name. Raises OnHold: a member did not write one of them."""
    return _lives(values, names.removed(""))


def was_removed(life: str) -> bytes:
    """The value of the key that says so of that life of a member."""
    return msgspec.json.encode(_Life(life))


def registered(keys: Keys, space: str) -> Mapping[str, Member]:
    """The members of a group, by name, and nothing else of it. Raises Away; OnHold: a member did not write one."""
    prefix = Names(space).member("")
    return _below(keys.list(prefix).values, prefix, Member)


def projects(keys: Keys, prefix: str) -> list[str]:
    """The projects that have a group below the prefix, also one that has ended. Raises Away."""
    begin, end = f"{prefix}/", "/group"
    found = [key[len(begin) : -len(end)] for key in keys.list(begin).values if key.endswith(end)]
    return sorted(each for each in found if _PROJECT.fullmatch(each))


def check_name(name: str) -> None:
    """Raise UsageError if no member may have this name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:MAX_SHOWN]!r} cannot be a member's name: use a-z, 0-9 and, between them, . _ -; at most "
            f"{MAX_NAME} letters"
        )


def check_prefix(prefix: str) -> None:
    """Raise UsageError if no keys may begin with this."""
    if not _PREFIX.fullmatch(prefix) or len(prefix) > MAX_PREFIX:
        raise UsageError(
            f"{prefix[:MAX_SHOWN]!r} cannot be what keys begin with: use words of letters, digits and . _ - with a "
            f"slash between them, at most {MAX_PREFIX} letters"
        )


def parse_prefix(text: str) -> str:
    """What keys begin with, without the slash at its end. Raises UsageError: no keys may begin with it."""
    prefix = text.rstrip("/")
    check_prefix(prefix)
    return prefix


def known_fellows(reader: Reader) -> dict[str, Member]:
    """The members that this repository has heard of last, itself perhaps among them, by name."""
    return noted(reader, FELLOWS, dict[str, Member]) or {}


def note_fellows(writer: Writer, members: Mapping[str, Member]) -> None:
    """Keep who the members are, for when the keys are gone."""
    text = msgspec.json.encode(dict(sorted(members.items()))).decode()
    if text != writer.setting(FELLOWS):
        writer.set_setting(FELLOWS, text)


def _lives(values: Mapping[str, bytes], prefix: str) -> dict[str, str]:
    return {name: each.life for name, each in _below(values, prefix, _Life).items()}


def _below(values: Mapping[str, bytes], prefix: str, kind: type[_Kind]) -> dict[str, _Kind]:
    return {
        key.removeprefix(prefix): _parsed(value, kind, key)
        for key, value in values.items()
        if key.startswith(prefix)
    }


def _serving(values: Mapping[str, bytes], key: str) -> bytes | None:
    value = values.get(key)
    if value is not None:
        try:
            serving.parse(value)
        except ValueError as exc:
            raise _of_a_stranger(key) from exc
    return value


def _parsed(value: bytes, kind: type[_Kind], key: str) -> _Kind:
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _of_a_stranger(key) from exc


def _of_a_stranger(key: str) -> OnHold:
    return OnHold(f"{key} has a value that no member wrote", LOOK)
