r"""Check-ins: manifests of one version of all files.

    B ID                            baseline: F cards name only what differs from that check-in
    C COMMENT
    D DATE
    F NAME [ID [PERM [OLD]]]        ascending by decoded name; no ID: deleted, only with B
    N MIMETYPE
    P ID*                           parents; the first is the one that this version continues
    Q (+|-)ID [ID]                  cherry-picked, or backed out
    R MD5                           of names, sizes and contents of all files
    T ...                           as in control artifacts, target "*" allowed
    U LOGIN

    PERM    x executable, l symbolic link, w or nothing: a plain file

Readers demand D alone. Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse();
src/checkin.c create_manifest(). Checked against tests/vectors/artifacts.json and rcard.json.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import lt
from typing import NamedTuple, TypeAlias

from xferzone import escape
from xferzone.artifacts.control import Tag, parse_tags, parse_user, tag_cards, user_card
from xferzone.artifacts.dates import format_date, parse_date
from xferzone.artifacts.grammar import Cards, c_string, is_hex, is_path, parse_id, sealed, text
from xferzone.hashing import ArtifactId

#: An ordinary F card: no escapes, no PERM, no component that begins with "." or "_". No possessive groups, which match
#: wrongly before Python 3.11.5 (gh-106052). A component ends at the next "/", so nothing is tried twice.
_PLAIN_FILE = re.compile(
    r"^((?:[^/. _\\\n][^/ \\\n]*/)*[^/. _\\\n][^/ \\\n]*) ([0-9a-f]{64}|[0-9a-f]{40})$", re.MULTILINE
)
_NO_COMMENT = "(no comment)"  # what stock writes for an empty comment
_MD5_DIGITS = 32
#: Any of these cards makes an artifact a check-in even without files and parents.
_TELLING = frozenset(b"BCQR")
#: Stock ignores these names in a check-in, since they are its own files: src/file.c file_is_reserved_name().
_RESERVED = re.compile(rb"(?i)(?:\A|/)(?:_FOSSIL_|\.fslckout)(?:-wal|-shm|-journal)?\Z")

_LONG = 20  # files of a manifest, from which on their cards are remembered
_SEEN = 32_768  # cards that are remembered, some 16 MB
_SEEN_LINE = 300  # bytes of a card that is


class FileCard(NamedTuple):
    """One file of a check-in.

    Fields:
        name: its path, unescaped.
        id: its content; None, in a delta manifest only: this check-in lacks the file, its baseline has it.
        perm: "x", "l" or "".
        old_name: what the first parent calls it; None: the same.
    """

    name: str
    id: ArtifactId | None
    perm: str = ""
    old_name: str | None = None


#: The octets of a file's name, and its card; None: stock's readers ignore it.
_Parsed: TypeAlias = tuple[bytes, FileCard | None]
_seen: dict[bytes, _Parsed] = {}


class CherryPick(NamedTuple):
    """One Q card: the change of `target`, or all changes since `since`, cherry-picked ("+") or backed out ("-")."""

    sign: str
    target: ArtifactId
    since: ArtifactId | None = None


@dataclass(frozen=True, slots=True)
class CheckIn:
    """One version of the files, made by `user` at `date_ms`, milliseconds since 1970.

    `comment` and `user` are empty if the artifact has none. `files` are in order of their names' octets; with a
    `baseline` they are changes to its files: see delta_files(). `parents` are as written; the first one is continued.
    """

    comment: str
    date_ms: int
    user: str
    files: tuple[FileCard, ...] = ()
    parents: tuple[ArtifactId, ...] = ()
    baseline: ArtifactId | None = None
    tags: tuple[Tag, ...] = ()
    cherrypicks: tuple[CherryPick, ...] = ()
    r_card: str | None = None
    mimetype: str | None = None

    def encode(self) -> bytes:
        """The artifact, with files, tags and cherry-picks sorted. Raises ValueError if no reader would accept it."""
        lines = [] if self.baseline is None else [b"B " + self.baseline.encode("ascii")]
        lines.append(b"C " + escape.encode(self.comment or _NO_COMMENT))
        lines.append(b"D " + format_date(self.date_ms))
        lines += _file_cards(self.files, delta=self.baseline is not None)
        if self.mimetype is not None:
            lines.append(b"N " + escape.encode(self.mimetype))
        if self.parents:
            lines.append(b"P " + " ".join(self.parents).encode("ascii"))
        lines += sorted(map(_pick_card, self.cherrypicks))
        if self.r_card is not None:
            lines.append(b"R " + self.r_card.encode("ascii"))
        return sealed([*lines, *tag_cards(self.tags), user_card(self.user)])


def parse_checkin(cards: Cards) -> CheckIn:
    """The value of a check-in's cards. Raises ValueError."""
    baseline, comment, mimetype, r_md5 = map(cards.first, (b"B", b"C", b"N", b"R"))
    checkin = CheckIn(
        comment=text(comment or b""),
        date_ms=parse_date(cards.first(b"D") or b""),
        user=parse_user(cards),
        files=parse_files(cards.many.get(b"F", ()), delta=baseline is not None),
        parents=tuple([parse_id(parent) for card in cards.every(b"P") for parent in card]),
        baseline=None if baseline is None else parse_id(baseline),
        tags=parse_tags(cards.every(b"T")),
        cherrypicks=tuple([_parse_pick(card) for card in cards.every(b"Q")]),
        r_card=None if r_md5 is None else _parse_r_card(r_md5),
        mimetype=None if mimetype is None else text(mimetype),
    )
    if not (checkin.files or checkin.parents or cards.letters & _TELLING):
        raise ValueError("an F or P card that names nothing does not make a check-in")
    return checkin


def delta_files(baseline: Iterable[FileCard], own: Iterable[FileCard]) -> tuple[FileCard, ...]:
    """All files of a check-in whose F cards are `own` and whose baseline's are `baseline`, in order.

    A baseline must not have a baseline itself; the caller checks that. Deletions in `baseline` are ignored.
    """
    files = {card.name: card for card in baseline}
    files.update((card.name, card) for card in own)
    kept = (card for card in files.values() if card.id is not None)
    return tuple(sorted(kept, key=lambda card: _octets(card.name)))


def replaced(older: CheckIn, newer: CheckIn) -> list[tuple[ArtifactId, ArtifactId]]:
    """(old id, new id) of each file that `newer`, a child of `older`, changed; nothing for delta manifests."""
    if older.baseline or newer.baseline:
        return []
    if len(older.files) == len(newer.files):
        # Nearly always each stands in the place that it had, and most are the same objects (_seen_files).
        pairs = zip(older.files, newer.files, strict=True)
        changed = [(old, new) for old, new in pairs if old is not new and old != new]
        if all(old.name == (new.old_name or new.name) for old, new in changed):
            return [(old.id, new.id) for old, new in changed if old.id and new.id and old.id != new.id]
    was = {card.name: card for card in older.files}
    found = []
    for new in newer.files:
        old = was.get(new.old_name or new.name)
        if old and old.id and new.id and old.id != new.id and was.get(new.name) != new:
            found.append((old.id, new.id))
    return found


def r_card(files: Iterable[tuple[str, bytes]]) -> str:
    """The argument of the R card: lower-case hex MD5 over (name, content) of all files, in the order of F cards."""
    digest = hashlib.md5(usedforsecurity=False)
    for name, content in files:
        digest.update(b"%s %d\n" % (_octets(name), len(content)))
        digest.update(content)
    return digest.hexdigest()


def parse_files(cards: Sequence[bytes], *, delta: bool) -> tuple[FileCard, ...]:
    """The files of F cards, given without their letter and its space. Raises ValueError."""
    is_long = _LONG <= len(cards) <= _SEEN // 4 and not delta
    if not is_long and (joined := b"\n".join(cards)).isascii():
        plain = _PLAIN_FILE.findall(joined.decode("ascii"))
        names = [name for name, _ in plain]
        if len(names) == len(cards) and all(map(lt, names, names[1:])):
            return tuple([FileCard(name, ArtifactId(each)) for name, each in plain])
    parsed = _seen_files(cards) if is_long else [_parse_file(card, delta=delta) for card in cards]
    octets = [name for name, _ in parsed]
    files = [file for _, file in parsed if file is not None]
    if not (_is_in_order(parsed) if len(files) < len(octets) else all(map(lt, octets, octets[1:]))):
        raise ValueError("F cards are not in order")
    return tuple(files)


def _is_in_order(parsed: Iterable[_Parsed]) -> bool:
    """Whether each name comes after the last one before it that counts."""
    last: bytes | None = None
    for name, file in parsed:
        if last is not None and name <= last:
            return False
        last = last if file is None else name
    return True


def _seen_files(cards: Sequence[bytes]) -> Sequence[_Parsed]:
    """F cards, parsed. The long manifests of a history say nearly the same, so most of their files are one object."""
    found = list(map(_seen.get, cards))
    parsed = [each or _parse_file(card, delta=False) for each, card in zip(found, cards, strict=True)]
    if not all(found):
        news = [at for at, each in enumerate(found) if each is None and len(cards[at]) <= _SEEN_LINE]
        if len(_seen) + len(news) > _SEEN:
            _seen.clear()
        _seen.update([(cards[at], parsed[at]) for at in news])
    return parsed


def _parse_file(line: bytes, *, delta: bool) -> _Parsed:
    card = line.split(b" ")
    if len(card) > 4 or (len(card) < 2 and not delta):
        raise ValueError("an F card with too many arguments or too few")
    name, old_name = c_string(card[0]), c_string(card[3]) if len(card) > 3 else None
    if not is_path(name) or not (old_name is None or is_path(old_name)):
        raise ValueError(f"{name[:80]!r} is not the name of a file")
    file = FileCard(
        name.decode("utf-8", "surrogateescape"),
        parse_id(card[1]) if len(card) > 1 else None,
        _perm(card[2]) if len(card) > 2 else "",
        None if old_name is None else old_name.decode("utf-8", "surrogateescape"),
    )
    return name, None if _RESERVED.search(name) else file


def _file_cards(files: Sequence[FileCard], *, delta: bool) -> list[bytes]:
    cards = {_octets(file.name): _file_card(file, delta=delta) for file in files}
    if len(cards) < len(files):
        raise ValueError("two files with one name")
    return [cards[name] for name in sorted(cards)]


def _file_card(file: FileCard, *, delta: bool) -> bytes:
    if file.id is not None and not file.perm and file.old_name is None:
        words = f"{file.name} {file.id}"
        if words.isascii() and words.isprintable() and _PLAIN_FILE.fullmatch(words):
            return b"F " + words.encode("ascii")
    name = _octets(file.name)
    if not is_path(name) or b"\0" in name or _RESERVED.search(name):
        raise ValueError(f"{file.name!r} is not the name of a file")
    if file.id is None:
        if not delta:
            raise ValueError(f"{file.name!r} has no content, and there is no baseline")
        return b"F " + escape.encode(name)
    card = b"F %s %s" % (escape.encode(name), file.id.encode("ascii"))
    if file.old_name is not None:
        return b"%s %s %s" % (card, file.perm.encode("ascii") or b"w", escape.encode(file.old_name))
    return card + b" " + file.perm.encode("ascii") if file.perm else card


def _perm(argument: bytes) -> str:
    return "x" if b"x" in argument else "l" if b"l" in argument else ""


def _parse_pick(card: Sequence[bytes]) -> CherryPick:
    target, *since = card
    if target[:1] not in (b"+", b"-"):
        raise ValueError("a Q card without a sign")
    return CherryPick(chr(target[0]), parse_id(target[1:]), parse_id(since[0]) if since else None)


def _pick_card(pick: CherryPick) -> bytes:
    since = "" if pick.since is None else f" {pick.since}"
    return f"Q {pick.sign}{pick.target}{since}".encode("ascii")


def _parse_r_card(argument: bytes) -> str:
    if len(argument) != _MD5_DIGITS or not is_hex(argument):
        raise ValueError("the R card is not an MD5")
    return argument.decode("ascii")


def _octets(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
