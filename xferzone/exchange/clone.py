"""A new repository, copied from a peer: one transaction takes all of it, then its refs stand where the peer's do.

    the peer's artifacts, in order of position ─> a file beside `path` ─> linked to `path` when all has come

Nothing is at `path` until then. A clone that ends early leaves nothing, whatever ends it.
"""

from pathlib import Path

from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.running import Running
from xferzone.faults import fault
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.noted import Noted
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository.accounts import EVERYBODY
from xferzone.store import Store, Writer, schema
from xferzone.store.accounts import put_user
from xferzone.store.remotes import ORIGIN, Remote, put_remote
from xferzone.sync.client.session import ClientSession
from xferzone.transport import Transport


class _Ended(Exception):
    """The peer has ended the session: what came is dropped."""


def clone(path: Path, transport: Transport, options: Options | None = None) -> Outcome:
    """Copy the repository behind `transport` into the new file `path`, which then calls it its origin.

    Where the outcome has errors the peer has refused, and there is no file. The URL of `options.remote` is
    remembered, else the transport's name.

    Raises:
        Exists: something is at `path` already.
        NotFound: its directory does not exist.
        PeerError: the peer cannot be reached, or breaks the protocol. There is no file.
        Cancelled: `options.cancelled` said so. There is no file.
    """
    options = options or Options()
    outcome: Outcome | None = None
    try:
        with options.helping() as helper, Store.making(path) as made:
            store, noted = made.with_cache(options.cache).with_faults(options.faults), Noted()
            wishes = options.for_session(pull=True, push=False)
            session = ClientSession(None, wishes, noter=noted, helper=helper)
            running = Running(store, transport, session, options)
            followed = Followed()
            with running.observed("clone"), store.placed_at_last():
                running.drive()
                fault(options.faults, "clone.driven", 0.2)
                if not session.errors:
                    with store.writer() as writer:
                        followed = _begin(writer, session, noted, transport.name, options)
            outcome = running.outcome(followed)
            if session.errors:
                raise _Ended
    except _Ended:
        pass
    assert outcome is not None
    return outcome


def _begin(writer: Writer, session: ClientSession, noted: Noted, peer: str, options: Options) -> Followed:
    """Make a clone of what came, and let its refs stand where the peer's do."""
    assert session.project_code is not None
    writer.set_setting("project-code", session.project_code)
    writer.set_setting("role", schema.CLONE)
    for login in EVERYBODY:
        put_user(writer, login, None, "")
    writer.fault("clone.laid-out", 0.2)
    told = session.told.refs if session.told.is_ours else None
    occasion = Occasion(options.env.clock_ms(), options.login, Door.PULL)
    compiling = Compiling(options.compiler, noted, defers=True)
    followed = follow(writer, LocalRefs(writer), told, occasion, compiling)
    writer.fault("clone.followed", 0.2)
    epochs = {} if followed.incomplete else session.told.epochs
    url = peer if options.remote is None else options.remote.url
    put_remote(writer, Remote(ORIGIN, url, epochs, session.cookie))
    return followed
