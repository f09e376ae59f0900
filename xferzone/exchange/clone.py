"""A new repository, copied from a peer: one transaction takes all of it, then its refs stand where the peer's do.

    the peer's artifacts, in order of position ─> a file beside `path` ─> linked to `path` when all has come
    where it may go on later                   ─> FILE.partial, committed now and then (store/begun.py)

Nothing is at `path` until then. A clone that ends early leaves nothing, whatever ends it, or what goes on later.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from xferzone.errors import Refused, UsageError, XferzoneError
from xferzone.exchange.configuration import take_shunned
from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.running import Running
from xferzone.faults import fault
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.noted import Noted
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository.accounts import EVERYBODY
from xferzone.store import Store, Writer, begun, schema
from xferzone.store.accounts import put_user
from xferzone.store.begun import Begun
from xferzone.store.incoming import Helper
from xferzone.store.remotes import ORIGIN, Remote, put_remote
from xferzone.sync.client import opening
from xferzone.sync.client.options import Configuration, Known
from xferzone.sync.client.session import ClientSession
from xferzone.transport import Transport


class _Ended(Exception):
    """The peer has ended the session: what came is dropped, or waits."""


def clone(
    path: Path, transport: Transport, options: Options | None = None, *, resume: bool = False
) -> Outcome:
    """Copy the repository behind `transport` into the new file `path`, which then calls it its origin.

    Where the outcome has errors the peer has refused, and there is no file. The URL of `options.remote` is
    remembered, else the transport's name. `resume`: go on where such a clone has ended; what comes is kept beside
    `path`, in FILE.partial, whatever ends this one.

    Raises:
        Exists: something is at `path` already.
        NotFound: its directory does not exist.
        PeerError: the peer cannot be reached, or breaks the protocol. There is no file.
        Cancelled: `options.cancelled` said so. There is no file.
        UsageError: `resume` with private artifacts.
        Refused: FILE.partial was begun with another server, or somebody else works on it.
    """
    options = options or Options()
    if resume and options.private:
        raise UsageError(
            "a clone with private artifacts is not kept half-way: leave out --private or --resume"
        )
    outcome: Outcome | None = None
    with (
        suppress(_Ended),
        options.helping() as helper,
        begun.going_on(path, opening.FIRST) if resume else Store.making(path) as made,
    ):
        store = made.with_cache(options.cache).with_faults(options.faults)
        stages = _Stages(store, path, options.stage) if resume else None
        outcome = _cloned(store, transport, options, stages, helper)
        if outcome.errors:
            raise _Ended
    assert outcome is not None
    return outcome


def _cloned(
    store: Store, transport: Transport, options: Options, stages: "_Stages | None", helper: Helper | None
) -> Outcome:
    """Copy the repository behind `transport` into the empty `store`, or what is left of it since `stages` begun."""
    noted, followed = Noted(), Followed()
    known, code = (Known(), None) if stages is None else (stages.known, stages.begun.project_code)
    # As stock's clone does; accounts stay where they are.
    wishes = replace(options.for_session(pull=True, push=False), configuration=Configuration(("all",)))
    session = ClientSession(code, wishes, known, noter=noted, helper=helper)
    running = Running(store, transport, session, options)
    with running.observed("clone"), store.placed_at_last():
        running.drive(stages)
        fault(options.faults, "clone.driven", 0.2)
        if not session.errors:
            with store.writer() as writer:
                followed = _begin(writer, session, noted, transport.name, options)
    return running.outcome(followed)


class _Stages:
    """The commits of a clone that may go on later."""

    def __init__(self, store: Store, path: Path, size: int) -> None:
        with store.reader() as reader:
            self.begun = begun.begun(reader)
        self.known = Known(part=self.begun.part)
        self._path, self._size = path, size
        self._next: Begun | None = None  # how far it is with what was kept
        self._committed = 0  # bytes that had come at the last commit
        self._session: ClientSession | None = None

    def check(self, session: ClientSession) -> None:
        if session.server_code and self.begun.server_code not in (None, session.server_code):
            raise Refused(
                f"{begun.partial_of(self._path)} was begun with another server, whose parts are others: clone from "
                "that one, or remove the file"
            )

    def kept(self, writer: Writer, session: ClientSession) -> None:
        part = session.position if session.is_cloning else 0
        self._session, self._next = session, Begun(part, session.project_code, session.server_code)
        if session.traffic.bytes_in - self._committed >= self._size or not session.is_cloning:
            self._commit(writer, session)

    def ended(self, writer: Writer) -> None:
        if self._session is not None:
            with suppress(XferzoneError):  # what ended it is told already
                self._commit(writer, self._session)

    def _commit(self, writer: Writer, session: ClientSession) -> None:
        session.flush(writer)
        if self._next is not None and self._next.project_code is not None:
            begun.note(writer, self._next)
            writer.fault("clone.stage-noted", 0.2)
            writer.let_go()
            writer.fault("clone.stage-kept", 0.2)
            self._committed = session.traffic.bytes_in


def _begin(writer: Writer, session: ClientSession, noted: Noted, peer: str, options: Options) -> Followed:
    """Make a clone of what came, and let its refs stand where the peer's do."""
    assert session.project_code is not None
    writer.set_setting("project-code", session.project_code)
    writer.set_setting("role", schema.CLONE)
    begun.end(writer)
    for login in EVERYBODY:
        put_user(writer, login, None, "")
    take_shunned(writer, session, options)
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
