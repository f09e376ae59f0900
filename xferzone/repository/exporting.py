"""A repository as a file of stock Fossil: every artifact, each kept as it is here, and what stock needs beside them.

    rows in order ─> each verified, whole or as the delta that it is ─> a hidden file ─> linked to its name

What stock derives from artifacts, `fossil rebuild` makes; stock asks for that by itself. One artifact is in memory at a
time, beside the cache.
"""

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from xferzone.repository.accounts import ADMIN_CAPS, EVERYBODY
from xferzone.store import Reader, Store, shunned, unversioned
from xferzone.store.accounts import User, users
from xferzone.store.outgoing import every
from xferzone.store.stock import layout
from xferzone.store.stock.written import StockFile, making
from xferzone.sync.configuration import ALL, Area, rows_of

_SETTINGS: Final = {"content-schema": layout.CONTENT_SCHEMA, "hash-policy": layout.SHA3}


class Exported(NamedTuple):
    """How many artifacts, accounts and unversioned files the file has."""

    artifacts: int
    accounts: int
    files: int


def export(store: Store, path: Path, *, login: str, accounts: bool, now_ms: int) -> Exported:
    """Write the new file `path`. `accounts`: ours go with it; else it has `login` alone, who has no password.

    Raises:
        Exists: something is at `path` already.
        CorruptArtifact: an artifact, or an unversioned file, is damaged. There is no file.
        XferzoneError: the file cannot be written.
    """
    with store.reader() as reader, making(path, now_ms) as made:
        told = _users(reader, login, accounts=accounts)
        codes = {"project-code": reader.project_code, "server-code": secrets.token_hex(20)}
        made.lay_out(_SETTINGS | codes, told)
        for each in shunned.listed(reader):
            made.shun(each.id, each.time_ms, each.comment)
        for row in rows_of(reader, ALL - {Area.SUBSCRIBER, Area.SHUN}, with_accounts=accounts):
            made.put_row(row)
        return Exported(_artifacts(reader, made), len(told), _files(reader, made))


def _users(reader: Reader, login: str, *, accounts: bool) -> list[User]:
    """Somebody with all rights first: `fossil ui` works as the first that has them."""
    own = [_loose(each) for each in users(reader)] if accounts else [User(each, "", "") for each in EVERYBODY]
    able = [user for user in own if ADMIN_CAPS in user.caps]
    if not able:
        able = [User(login, "", ADMIN_CAPS)]
    return [*able, *(user for user in own if user.login not in {each.login for each in able})]


def _loose(user: User) -> User:
    """The account as stock may have it: without a password where stock would let it do more, or longer."""
    return replace(user, secret="") if user.zones or user.expires_ms is not None else user


def _artifacts(reader: Reader, made: StockFile) -> int:
    count = 0
    for each in every(reader):
        made.put(each.position, each.id, each.size, each.payload, each.source)
        count += 1
    return count


def _files(reader: Reader, made: StockFile) -> int:
    count = 0
    for state in unversioned.files(reader, deleted=True):
        is_there = state.artifact is not None
        made.put_file(state, unversioned.content(reader, state.name) if is_there else None)
        count += is_there
    return count
