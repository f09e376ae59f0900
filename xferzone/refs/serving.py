"""What the members of a group serve of each zone: the value of one key, and of a local setting that DNS goes by.

    {"zones": [{"zone": "example.com", "branch": "stable", "canary": {"branch": "next", "hundredths": 2000}}, ...]}

`zone` is a pattern of zone ids (xferzone/zone/patterns.py). The first that matches counts; a zone that none matches is
served from main, to all clients. A canary's share is in hundredths of a percent.

Two members that serve one zone by different rules would give one serial two contents. So DNS starts by the rules that
the group is known to have, also while etcd cannot be reached; where it has none, each member serves as it likes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from xferzone.errors import UsageError, XferzoneError
from xferzone.refs.branch import DEFAULT_BRANCH
from xferzone.refs.served import SERVING
from xferzone.store import Reader, Writer, schema
from xferzone.zone import patterns

MAX_VALUE: Final = (
    450_000  # bytes; the transaction that changes it has the old and the new one (keys.MAX_SIZE)
)
WHOLE: Final = 10_000  # hundredths of a percent


class Canary(Struct, frozen=True, omit_defaults=True):
    """The branch for so many hundredths of a percent of the clients, who are chosen by `salt`."""

    branch: str
    hundredths: Annotated[int, Meta(ge=0, le=WHOLE)]
    salt: str = ""


class Rule(Struct, frozen=True, omit_defaults=True):
    """What is served of the zones of a pattern."""

    zone: str
    branch: str = DEFAULT_BRANCH
    canary: Canary | None = None

    def serves_as(self, other: "Rule") -> bool:
        """Whether the other one serves the same, of whatever zones."""
        return (self.branch, self.canary) == (other.branch, other.canary)

    def __str__(self) -> str:
        """What is served, for people: `stable, canary next:20`; the zone is not in it."""
        if self.canary is None:
            return self.branch
        salt = f":{self.canary.salt}" if self.canary.salt else ""
        return f"{self.branch}, canary {self.canary.branch}:{self.canary.hundredths / 100:g}{salt}"


class _Value(Struct, frozen=True):
    zones: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Zones that are served in two ways. `place`: of the rule among ours that counts; None: none of them matches."""

    zone: str
    place: int | None
    ours: Rule
    theirs: Rule


_PLAIN: Final = Rule("*")


def parse(value: bytes) -> tuple[Rule, ...]:
    """The rules that the value of the key says. Raises ValueError: no member wrote it."""
    if len(value) > MAX_VALUE:
        raise ValueError(f"over {MAX_VALUE} bytes")
    try:
        return msgspec.json.decode(value, type=_Value).zones
    except (msgspec.DecodeError, RecursionError) as exc:  # no ValueError before msgspec 0.20
        raise ValueError(str(exc)) from exc


def encode(rules: Sequence[Rule]) -> bytes:
    """The value of the key, without rules that change nothing.

    Raises:
        UsageError: it is too long.
    """
    found = msgspec.json.encode(_Value(compact(rules)))
    if len(found) > MAX_VALUE:
        raise UsageError(
            f"the rules for zones take {len(found)} bytes, over {MAX_VALUE}: name many zones at once, by a pattern "
            'such as "*.example.net" or "*"'
        )
    return found


def compact(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Those rules, in their order, that are not there only for what other settings of their tables say."""
    first = patterns.firsts(each.zone for each in rules)
    kept: dict[str, int] = {}
    for at in reversed(range(len(rules))):
        rule = rules[at]
        one = patterns.specimen(rule.zone)
        if patterns.place(first, one) == at and not rule.serves_as(_at(rules, patterns.place(kept, one))):
            kept[rule.zone] = at
    return tuple(rules[at] for at in sorted(kept.values()))


def differences(ours: Sequence[Rule], theirs: Sequence[Rule]) -> Iterator[Difference]:
    """Where two lists of rules serve zones in two ways; in the order of ours, then of theirs.

    All zones that match the same patterns are served alike, so one of each such set is looked at.
    """
    here, there = (patterns.firsts(each.zone for each in rules) for rules in (ours, theirs))
    for pattern in {**here, **there, "*": 0}:
        one = patterns.specimen(pattern)
        at = patterns.place(here, one)
        own, other = _at(ours, at), _at(theirs, patterns.place(there, one))
        if not own.serves_as(other):
            yield Difference(pattern, at, own, other)


def known(reader: Reader) -> tuple[Rule, ...] | None:
    """The rules that the group is known to have. None: it has none, or the repository is not a member.

    Raises:
        XferzoneError: the setting is damaged.
    """
    return of_setting(reader.setting(SERVING)) if reader.role == schema.MEMBER else None


def of_setting(text: str | None) -> tuple[Rule, ...] | None:
    """The rules that the setting says. None: it says none. Raises XferzoneError: it is damaged."""
    try:
        return parse(text.encode()) if text else None
    except ValueError as exc:
        raise XferzoneError(f"the setting {SERVING} is damaged: {exc}: join again") from exc


def value(reader: Reader) -> bytes | None:
    """The value that the key had when it was heard of last. None: it is not known that there was one."""
    text = reader.setting(SERVING)
    return text.encode() if text else None


def is_noted(reader: Reader, listed: bytes | None) -> bool:
    """Whether `note` has nothing to write."""
    return listed in (None, value(reader))


def note(writer: Writer, listed: bytes | None) -> None:
    """Keep the value that the key has, which was read by `parse`. Rules that are not listed (None) stay."""
    if listed is not None:
        writer.set_setting(SERVING, listed.decode())


def _at(rules: Sequence[Rule], at: int | None) -> Rule:
    return _PLAIN if at is None else rules[at]
