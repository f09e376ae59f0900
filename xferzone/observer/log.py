"""Log lines: one a request that moved anything or was refused, one a session."""

import logging

from xferzone.hashing import short
from xferzone.observer import Answered, Asked, Session, Silent, Traffic

_SHOWN = 100  # letters of a login


class Log(Silent):
    """Writes to a logger of the caller's, as key=value."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def session_started(self, session: Session) -> object:
        return session

    def session_ended(self, context: object, so_far: Traffic) -> None:
        assert isinstance(context, Session)
        self._logger.info(
            "%s peer=%s rounds=%d received=%d sent=%d bytes_in=%d bytes_out=%d",
            context.operation,
            context.peer,
            so_far.rounds,
            so_far.received,
            so_far.sent,
            so_far.bytes_in,
            so_far.bytes_out,
        )

    def request_started(self, asked: Asked) -> object:
        return asked

    def request_ended(self, context: object, answered: Answered) -> None:
        assert isinstance(context, Asked)
        for artifact in answered.damaged:
            self._logger.error(
                "artifact %s is damaged and was not sent: `xferzone check` says more", short(artifact)
            )
        # A clone begins with a round that is refused, since stock sends no login in it.
        refused = answered.outcome != "ok" and answered.operation != "clone"
        self._logger.log(
            logging.INFO if answered.received or answered.sent or refused else logging.DEBUG,
            "xfer kind=%s outcome=%s user=%s received=%d sent=%d bytes_in=%d bytes_out=%d ms=%.1f%s%s",
            answered.operation,
            answered.outcome,
            _shown(answered.login),
            answered.received,
            answered.sent,
            context.size,
            answered.size,
            1000 * answered.seconds,
            f" remote={context.remote}" if context.remote else "",
            f" why={answered.why!r}" if answered.why else "",
        )

    def failed(self, context: object, error: Exception) -> None:
        if isinstance(context, Session):
            self._logger.warning("%s peer=%s failed: %s", context.operation, context.peer, error)
        else:
            self._logger.error("xfer cannot be answered: %s", error)


def _shown(login: str) -> str:
    """A login that failed is anything that somebody sent."""
    return login if login.isalnum() and login.isascii() else ascii(login[:_SHOWN])
