"""A new primary, made of a repository file of stock Fossil: the same project, the same artifacts.

    artifacts, each behind its source ─> verified ─> linked ─> refs at the tips as stock sees them ─> role primary

So far it is what a clone of a stock server is; then it is promoted, which settles forks. Whatever goes wrong, nothing
is left at `path`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError, Refused, XferzoneError
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.kept_waiting import told
from xferzone.publish.noted import Noted
from xferzone.publish.served import Compiler
from xferzone.refs import LocalRefs, Occasion
from xferzone.repository.accounts import ADMIN_CAPS, EVERYBODY, check_login, password
from xferzone.repository.promote import promote
from xferzone.store import Store, Writer, schema, shunned
from xferzone.store import private as secluded
from xferzone.store.accounts import INVITE, User, put_stored, put_user
from xferzone.store.incoming import Received
from xferzone.store.stock.read import StockReader, StockUser, opened
from xferzone.sync import unversioned
from xferzone.sync.configuration import ALL, Area, Taking

_CODE: Final = re.compile("[0-9a-f]{40}")
_SECRET: Final = re.compile("[0-9a-fA-F]{40}")
_OTHER: Final = re.compile("[^a-zA-Z0-9]")
_AT_ONCE: Final = 16 * 1024 * 1024  # bytes of payloads that are stored together
_TOGETHER: Final = 5_000  # artifacts


class Imported(NamedTuple):
    """What was made.

    Fields:
        artifacts: how many came.
        left: how many did not, since what they are deltas of is not there.
        secret: the password of the account that was made; None: accounts came with the file.
        files: how many unversioned ones came.
        private: how many private artifacts came.
    """

    project_code: str
    artifacts: int
    left: int
    secret: str | None
    followed: Followed
    files: int
    private: int


# many: what is made of what, for whom, when, and how
def take(
    path: Path,
    file: Path,
    admin: str,
    occasion: Occasion,
    compiler: Compiler,
    *,
    accounts: bool,
    private: bool = False,
) -> Imported:
    """Make the repository `path` of stock's `file`.

    Args:
        admin: is made where no account that comes has all rights.
        accounts: its accounts come too, with all their rights.
        private: its private artifacts come too, and stay private.

    Raises:
        Exists: something is at `path` already.
        NotFound: there is no such file.
        UsageError: a bad login.
        XferzoneError: the file is damaged, or is not a repository of stock's.
    """
    check_login(admin)
    with opened(file) as stock, Store.making(path) as made:
        code, noted = stock.setting("project-code"), Noted()
        if not _CODE.fullmatch(code):
            raise XferzoneError(f"{file} has {code[:60]!r} as its project code, which must be 40 hex digits")
        with made.placed_at_last(), made.writer() as writer:
            writer.set_setting("project-code", code)
            writer.set_setting("role", schema.CLONE)
            count = _take_artifacts(writer, stock, noted, file)
            files, left_out = _take_files(writer, stock, file)
            _take_shunned(writer, stock)
            hidden = _take_private(writer, stock, file) if private else 0
            secret = _take_users(writer, stock.users() if accounts else (), admin)
            left_out += _take_configuration(writer, stock, occasion.now_ms, with_accounts=accounts)
            followed = _followed(writer, occasion, Compiling(compiler, noted), left_out)
        left = stock.count() - count
        return Imported(code, count, left, secret, followed, files, hidden)


def _followed(writer: Writer, occasion: Occasion, compiling: Compiling, left_out: list[str]) -> Followed:
    """Have refs where stock sees the tips of branches, and settle forks; what came of both."""
    refs = LocalRefs(writer)
    first = follow(writer, refs, None, occasion, compiling)
    then = promote(writer, refs, occasion, steps=False)
    assert then is not None
    moved = {one.branch: one for one in (*first.moved, *then.followed.moved)}
    return Followed(
        moved=tuple(moved.values()),
        invalid=(*first.invalid, *then.followed.invalid),
        notices=(*first.notices, *then.followed.notices, *told(writer, refs), *left_out),
    )


def _take_artifacts(writer: Writer, stock: StockReader, noted: Noted, file: Path) -> int:
    count = 0
    try:
        for batch in _batches(stock.artifacts()):
            count += writer.put_all(batch, noted)
    except CorruptArtifact as exc:
        raise XferzoneError(
            f"{file}: artifact {exc.artifact} is damaged, nothing was made: {exc.reason}"
        ) from exc
    except MalformedDelta as exc:
        raise XferzoneError(f"{file}: an artifact is damaged, nothing was made: {exc}") from exc
    return count


def _take_files(writer: Writer, stock: StockReader, file: Path) -> tuple[int, list[str]]:
    """Take the unversioned files; how many came, and why others did not."""
    count, left_out = 0, list[str]()
    for card in stock.files():
        try:
            is_new = unversioned.store(writer, card)
        except Refused as exc:
            left_out.append(str(exc))
        except PeerError as exc:
            raise XferzoneError(f"{file}: an unversioned file is damaged, nothing was made: {exc}") from exc
        else:
            count += is_new and card.artifact is not None
    return count, left_out


def _take_shunned(writer: Writer, stock: StockReader) -> None:
    """Shun what is shunned there, unless it is here all the same."""
    for artifact, time_ms, comment in stock.shunned():
        if not writer.has(artifact):
            shunned.add(writer, [artifact], time_ms, comment)


def _take_private(writer: Writer, stock: StockReader, file: Path) -> int:
    """Take the private artifacts; how many came."""
    try:
        return sum(secluded.put(writer, artifact, content) for artifact, content in stock.private())
    except (CorruptArtifact, PeerError) as exc:
        raise XferzoneError(f"{file}: a private artifact cannot be taken, nothing was made: {exc}") from exc


def _take_configuration(
    writer: Writer, stock: StockReader, now_ms: int, *, with_accounts: bool
) -> Iterable[str]:
    """Take the project's configuration; why some of it did not come."""
    taking = Taking(writer, ALL - {Area.SHUN}, with_accounts=with_accounts, now_ms=now_ms)
    for card in stock.configuration():
        taking.take(card)
    return taking.notices


def _batches(received: Iterable[Received]) -> Iterator[list[Received]]:
    """So many at a time as fit into memory."""
    batch: list[Received] = []
    size = 0
    for each in received:
        batch.append(each)
        size += len(each.payload)
        if size >= _AT_ONCE or len(batch) >= _TOGETHER:
            yield batch
            batch, size = [], 0
    yield batch


def _take_users(writer: Writer, users: Iterable[StockUser], admin: str) -> str | None:
    """Take the accounts of stock's; the password of `admin`, if that had to be made."""
    for login in EVERYBODY:
        put_user(writer, login, None, "")
    has_admin = False
    for user in users:
        if user.login.startswith(INVITE):
            continue  # here it would be an invitation
        caps = _OTHER.sub("", user.caps)
        hashed = user.secret if not user.secret or _SECRET.fullmatch(user.secret) else None
        if hashed is None:
            put_user(writer, user.login, user.secret, caps)
        else:
            put_stored(writer, User(user.login, hashed, caps), 0)  # the time comes with the configuration
        has_admin |= ADMIN_CAPS in caps and user.secret != ""
    if has_admin:
        return None
    secret = password()
    put_user(writer, admin, secret, ADMIN_CAPS)
    return secret
