"""Log lines: one for each session, and one for each request, which is DEBUG where it moved nothing and succeeded.

A request that this server could not answer has a line more, at ERROR, for its administrator.
"""

import logging
from dataclasses import dataclass

from xferzone.errors import XferzoneError
from xferzone.hashing import short
from xferzone.observer import Answered, Asked, Session, Silent, Traffic

_SHOWN = 100  # letters of a login in a line


@dataclass(slots=True)
class _Session:
    """A session under way; `error` ends it, None: nothing has gone wrong."""

    session: Session
    error: BaseException | None = None


class Log(Silent):
    """Writes lines of key=value to a logger of the caller's."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def session_started(self, session: Session) -> object:
        return _Session(session)

    def session_ended(self, context: object, so_far: Traffic) -> None:
        assert isinstance(context, _Session)
        why = context.error
        self._logger.log(
            logging.INFO if why is None else logging.WARNING,
            "%s peer=%s outcome=%s rounds=%d received=%d sent=%d%s bytes_in=%d bytes_out=%d%s",
            context.session.operation,
            context.session.peer,
            "ok" if why is None else "failed",
            so_far.rounds,
            so_far.received,
            so_far.sent,
            _files(so_far),
            so_far.bytes_in,
            so_far.bytes_out,
            "" if why is None else f" why={str(why) or type(why).__name__!r}",
        )

    def request_started(self, asked: Asked) -> object:
        return asked

    def request_ended(self, context: object, answered: Answered) -> None:
        assert isinstance(context, Asked)
        for artifact in answered.damaged:
            self._logger.error(
                "artifact %s is damaged and was not sent: `xferzone check` says more", short(artifact)
            )
        for name in answered.passwords:
            self._logger.warning(
                "user %s has pushed %r: everybody who may clone can read the passwords in it",
                shown(answered.login),
                name[:_SHOWN],
            )
        if answered.crowded_out:
            self._logger.warning(
                "user %s has pushed deltas without their sources: the oldest %d that waited were dropped to make room",
                shown(answered.login),
                answered.crowded_out,
            )
        # A clone begins with a round that is refused, since stock sends no login in it.
        refused = answered.outcome != "ok" and answered.operation != "clone"
        files = _files(answered)
        self._logger.log(
            logging.INFO if answered.received or answered.sent or files or refused else logging.DEBUG,
            "xfer kind=%s outcome=%s user=%s received=%d sent=%d%s bytes_in=%d bytes_out=%d ms=%.1f%s%s",
            answered.operation,
            answered.outcome,
            shown(answered.login),
            answered.received,
            answered.sent,
            files,
            context.size,
            answered.size,
            1000 * answered.seconds,
            f" remote={context.remote}" if context.remote else "",
            f" why={answered.why!r}" if answered.why else "",
        )

    def failed(self, context: object, error: BaseException) -> None:
        if isinstance(context, _Session):
            context.error = error
        elif isinstance(error, XferzoneError | OSError):  # a bug is raised, and is logged where it ends
            self._logger.error("xfer cannot be answered: %s", error)


def _files(counted: Traffic | Answered) -> str:
    """How many unversioned files and rows of tables went; empty: none."""
    said = ""
    if counted.uv_received or counted.uv_sent:
        said += f" uv_received={counted.uv_received} uv_sent={counted.uv_sent}"
    if counted.rows_received or counted.rows_sent:
        said += f" rows_received={counted.rows_received} rows_sent={counted.rows_sent}"
    return said


def shown(login: str) -> str:
    """A login as lines have it: one that failed is anything that somebody sent."""
    return login if login.isalnum() and login.isascii() else ascii(login[:_SHOWN])
