"""One session with a peer while it runs: driven round by round, observed from start to end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from xferzone.errors import PeerError
from xferzone.exchange.options import Options, Outcome
from xferzone.observer import Session
from xferzone.publish import kept_waiting
from xferzone.publish.follow import Followed
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, Store, places, unsent
from xferzone.sync.client import driver
from xferzone.sync.client.session import ClientSession
from xferzone.transport import Transport


class Running:
    """A session between a store and what is behind a transport."""

    def __init__(self, store: Store, transport: Transport, session: ClientSession, options: Options) -> None:
        self._store = store
        self._transport = transport
        self._session = session
        self._options = options
        self._context: object = None
        self._began = options.env.monotonic()
        with store.reader() as reader:
            self._since = reader.last_row()

    @contextmanager
    def observed(self, operation: str) -> Iterator[None]:
        """The session's life: its observer is told of the start, of an error, and of the end in any case."""
        observer, session = self._options.observer, self._session
        self._context = observer.session_started(
            Session(operation, self._transport.name, session.project_code)
        )
        try:
            yield
        except BaseException as exc:
            observer.failed(self._context, exc)
            raise
        else:
            if session.errors:
                observer.failed(self._context, PeerError("; ".join(session.errors)))
        finally:
            observer.session_ended(self._context, replace(session.traffic))

    def drive(self, stages: driver.Stages | None = None) -> None:
        """Exchange rounds until nothing is left to say. Raises what driver.run raises."""
        options = self._options
        bounds = driver.Bounds(options.rounds, options.patience, options.cancelled)
        watch = driver.Watch(options.observer, self._context)
        driver.run(self._store, self._transport, self._session, bounds, watch, stages)

    def outcome(self, followed: Followed) -> Outcome:
        """What it came to."""
        session = self._session
        with self._store.reader() as reader:
            left = len(unsent.artifacts(reader))
            waiting = kept_waiting.told(reader, LocalRefs(reader), since=self._since)
            if session.lacks:
                waiting += kept_waiting.told(reader, LocalRefs(reader), among=session.sent)
            beaten = () if session.errors or session.pulls else tuple(_beaten(reader, session))
        return Outcome(
            peer=self._transport.name,
            project_code=session.project_code or "",
            traffic=session.traffic,
            seconds=self._options.env.monotonic() - self._began,
            messages=tuple(session.messages),
            errors=tuple(session.errors),
            is_denied=session.is_denied,
            denial=session.denial,
            absent=tuple(session.absent),
            withheld=tuple(session.withheld),
            followed=followed,
            unsent=left,
            waiting=tuple(dict.fromkeys(waiting)),
            beaten=beaten,
            uv_is_denied=session.unversioned.is_denied,
            uv_absent=tuple(session.unversioned.absent),
            uv_left_out=tuple(session.unversioned.left_out),
            tables_are_denied=session.tables.is_denied,
            tables_left_out=tuple(session.tables.left_out),
            config_received=session.configuring.received,
            config_sent=session.configuring.sent,
            config_left_out=session.configuring.left_out,
            locked=session.locking.held,
            server_code=session.server_code,
        )


def _beaten(reader: Reader, session: ClientSession) -> Iterator[str]:
    """Branches pushed to whose ref at the peer stands on what is not here: somebody else was first."""
    placed = filter(None, (places.placed(reader, artifact) for artifact in session.sent))
    for branch in sorted({checkin.branch for checkin in placed if checkin.branch is not None}):
        tip = session.told.refs.get(branch)
        if (
            tip is not None
            and LocalRefs(reader).get(BranchName.parse(branch)) is not None
            and not reader.has(tip)
        ):
            yield branch
