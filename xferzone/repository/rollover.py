"""A new project that begins with what an old one serves: one check-in a zone branch, its serials going on.

    old    10,000 check-ins of example.com, main at serial 4711, test at 4700
    new    main: one check-in at 4711     test: one more on top of it, at 4712

The new check-in of main has no parent, those of other branches have main's, so that branches can be merged. Text says
the serial that is served: secondaries go on, and never see one go back. Since its project code is another one, no clone
of the old project can sync with the new one by mistake.

Accounts come along with their rights, zones and ends, and without passwords; so do invitations, unversioned files that
are not deleted, and what is shunned, so that nobody brings it back. The day since which the old one has had each zone
comes along, too: a server of many repositories does not let another one have it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.errors import Exists, NotReady, Refused, XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, LocalRefs, Occasion, Ref, State, claims
from xferzone.refs.branch import DEFAULT_BRANCH
from xferzone.repository.make import make
from xferzone.store import (
    Reader,
    Store,
    Writer,
    configuration,
    schema,
    shunned,
    symbols,
    tables,
    unversioned,
)
from xferzone.store.accounts import note_removed, put_stored, removed, rows
from xferzone.store.newfile import check_free, scratch
from xferzone.zone import serial
from xferzone.zone.cut import is_zone_file
from xferzone.zonefile.names import zone_name


@dataclass(frozen=True, slots=True)
class RolledOver:
    """What was made.

    Fields:
        refs: as they stand in the new repository.
        left: branches that are closed, or whose zone was removed: they stay in the old one alone.
        logins: accounts that came along, and need a password.
        files: how many unversioned ones came along.
        shunned: how many names are shunned as they were.
        rows: how many of synced tables came along.
        password: of the administrator's account.
    """

    project_code: str
    refs: tuple[Ref, ...]
    left: tuple[BranchName, ...]
    logins: tuple[str, ...]
    notices: tuple[str, ...]
    password: str
    files: int = 0
    shunned: int = 0
    rows: int = 0


def roll_over(store: Store, path: Path, admin: str, occasion: Occasion) -> RolledOver:
    """Make the new repository `path`, a primary; `store` is only read.

    Raises:
        Exists: something is at `path` already.
        Refused: another repository decides about the old one's branches.
        XferzoneError: a version that is served, or an unversioned file, is damaged; or a serial cannot be written.
            There is no file.
    """
    check_free(path, "give another name")
    with store.reader() as reader, scratch(path) as directory:
        _check(reader)
        made = directory / path.name
        password = make(made, admin=admin, project_code=None, now_ms=occasion.now_ms)
        with Store.open(made) as new:
            with new.writer() as writer:
                done = _fill(reader, writer, admin, occasion, password)
            new.write_out()
        try:
            path.hardlink_to(made)
        except FileExistsError as exc:
            raise Exists(f"{path} exists by now and was left as it is: give another name") from exc
        return done


def _check(reader: Reader) -> None:
    if reader.emptiness:
        raise NotReady(reader.emptiness)
    if reader.role != schema.PRIMARY:
        raise Refused(
            f"this is a {reader.role}, whose branches others decide about: roll over the primary, or `xferzone promote`"
        )


def _fill(reader: Reader, writer: Writer, admin: str, occasion: Occasion, password: str) -> RolledOver:
    writer.set_setting(schema.PROJECT_BEFORE, reader.project_code)
    claims.carry(reader, writer)
    logins = [each for each in rows(reader) if each.login != admin]
    for each in logins:
        put_stored(writer, replace(each, secret=""))  # which holds for one project code alone
    for login in removed(reader):
        if login != admin:
            note_removed(writer, login)
    for row in configuration.everything(reader):
        configuration.put(writer, row)
    old, refs = LocalRefs(reader), LocalRefs(writer)
    left: list[BranchName] = []
    mains: dict[str, ArtifactId] = {}
    for ref in _mains_first(old):
        if ref.state is State.REMOVED or _is_closed(reader, ref):
            left.append(ref.branch)
            continue
        made = _begin(reader, writer, ref, mains.get(ref.branch.zone), occasion)
        if ref.branch.is_main:
            mains[ref.branch.zone] = made
    notices = publish(writer, refs, occasion)
    standing = tuple(refs.list())
    _check_served(old, standing, left)
    able = tuple(each.login for each in logins if each.secret)
    files, names = _take_files(reader, writer), _take_shunned(reader, writer)
    kept = tables.take_all(reader, writer)
    return RolledOver(
        writer.project_code, standing, tuple(left), able, tuple(notices), password, files, names, kept
    )


def _take_files(reader: Reader, writer: Writer) -> int:
    """Take the unversioned files; how many."""
    known = unversioned.files(reader)
    for state in known:
        unversioned.put(writer, state, unversioned.content(reader, state.name))
    return len(known)


def _take_shunned(reader: Reader, writer: Writer) -> int:
    """Shun what is shunned, since when and why it was; how many names."""
    known = [each for each in shunned.listed(reader) if not writer.has(each.id)]
    for each in known:
        shunned.add(writer, [each.id], each.time_ms, each.comment)
    return len(known)


def _mains_first(refs: LocalRefs) -> Iterator[Ref]:
    yield from sorted(refs.list(), key=lambda ref: (not ref.branch.is_main, str(ref.branch)))


def _is_closed(reader: Reader, ref: Ref) -> bool:
    return symbols.tags(reader, ref.checkin).get("closed", ("-",))[0] != "-"


def _begin(
    reader: Reader, writer: Writer, ref: Ref, main: ArtifactId | None, occasion: Occasion
) -> ArtifactId:
    """The one check-in of a branch, on top of `main`'s if there is one."""
    branch = str(ref.branch)
    files = tuple(
        FileCard(card.name, writer.put(_text(reader, ref, card)), card.perm)
        for card in reader.file_cards(ref.checkin)
        if card.id is not None
    )
    tags = [Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)]
    if main is not None:
        tags.append(Tag("-", f"sym-{ref.branch.zone}/{DEFAULT_BRANCH}", None, None))
    date_ms = occasion.now_ms + (1 if main is None else 2)  # after the trunk's root, and after main's
    checkin = CheckIn(
        comment=f"goes on from {ref.checkin} of the project before",
        date_ms=date_ms,
        user=occasion.login,
        files=files,
        parents=() if main is None else (main,),
        tags=tuple(tags),
    )
    return writer.put(checkin.encode())


def _text(reader: Reader, ref: Ref, card: FileCard) -> bytes:
    """The content of a file, with the serial that is served where it has another one."""
    assert card.id is not None
    content, origin = reader.content(card.id), zone_name(ref.branch.zone)
    if ref.serial is None or not is_zone_file(ref.branch.zone, card.name):
        return content
    if serial.scan(content, origin) in (None, ref.serial):
        return content
    changed = serial.with_serial(content, origin, ref.serial)
    if changed is None:
        raise XferzoneError(
            f"{ref.branch}: the serial in {card.name} cannot be written: `xferzone set` a new SOA first"
        )
    return changed


def _check_served(old: LocalRefs, standing: tuple[Ref, ...], left: list[BranchName]) -> None:
    """Raise XferzoneError unless every branch that was served is, with a serial that does not go back."""
    now = {ref.branch: ref for ref in standing}
    for ref in old.list():
        if ref.branch in left:
            continue
        found = now.get(ref.branch)
        goes_back = (
            found is not None
            and ref.serial is not None
            and found.serial not in (None, ref.serial)
            and not serial.is_ahead(found.serial, ref.serial)
        )
        if found is None or found.state is not State.SERVED or goes_back:
            raise XferzoneError(
                f"{ref.branch} would not be served as it is: `xferzone check`, and `zone check`, say why"
            )
