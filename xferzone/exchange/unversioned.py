"""Unversioned files alone, with one peer: no artifact travels, and no ref moves."""

from dataclasses import replace

from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.running import Running
from xferzone.publish.follow import Followed
from xferzone.store import Store, schema
from xferzone.sync.client.options import Known, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.meeting import role_told
from xferzone.transport import Transport


def sync_unversioned(store: Store, transport: Transport, options: Options | None = None) -> Outcome:
    """Exchange unversioned files with the peer behind `transport`, the newest of each; a mirror only takes.

    `options.pull` and `options.push` say which way they go.

    Raises:
        PeerError: the peer cannot be reached, or breaks the protocol. What earlier rounds brought stays.
        Cancelled: `options.cancelled` said so; the same.
        Refused: both decide where branches stand, as two primaries do. Nothing was taken or given.
    """
    options = (options or Options()).within(transport)
    with store.reader() as reader:
        pushes = options.push and reader.role != schema.MIRROR
        cookie = "" if options.remote is None else options.remote.cookie
        wishes = replace(
            options.for_session(pull=False, push=False), purpose=Purpose(False, False, options.pull, pushes)
        )
        known = Known(cookie=cookie, is_origin=False, role=role_told(reader))
        session = ClientSession(reader.project_code, wishes, known)
    running = Running(store.with_faults(options.faults), transport, session, options)
    with running.observed("uv"):
        running.drive()
    return running.outcome(Followed())
