"""Unversioned files and synced tables of a member and a fellow: the newest of each goes to where it is not."""

from typing import Final

from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.replicate.client import Client
from xferzone.store import Reader, Store, tables, unversioned
from xferzone.sync.client.options import Options, Purpose
from xferzone.sync.client.session import ClientSession

MAX_ROUNDS: Final = 1_000  # ours; the largest set of files takes some hundred
_BOTH_WAYS: Final = Purpose(
    pull=False, push=False, uv_pull=True, uv_push=True, tables_pull=True, tables_push=True
)


def held(reader: Reader) -> str:
    """What tells whether there is anything to exchange, and whether that has changed; empty: there is nothing."""
    names = unversioned.catalogue_hash(reader) if unversioned.has_any(reader) else ""
    return names + tables.catalogue_hash(tables.tables(reader))


def exchange(store: Store, client: Client, env: Env) -> tuple[str, ...]:
    """Exchange files and rows until both have the same; what people should read about it.

    Raises:
        PeerError, Denied: the fellow cannot be reached, refuses, or does not come to an end.
    """
    with store.reader() as reader:
        session = ClientSession(reader.project_code, Options(_BOTH_WAYS, env=env, fellow=True))
    for _ in range(MAX_ROUNDS):
        with store.reader() as reader:
            text = session.request(reader)
        if text is None:
            break
        session.receive(client.unversioned(text))
        with store.writer() as writer:
            session.keep(writer)
            writer.fault("client.kept", 0.1)
    else:
        raise PeerError(f"{client.transport.name} names unversioned files or rows without end")
    if session.errors:
        raise PeerError(
            f"{client.transport.name} says of unversioned files and tables: {'; '.join(session.errors)}"
        )
    return (*session.messages, *session.unversioned.left_out, *session.tables.left_out)
