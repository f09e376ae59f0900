"""A line of a server's log as text: the time with its zone, the level, the message.

    2026-11-29T09:53:29.123+01:00 INFO xfer kind=push outcome=ok received=3 ms=12.5
    2026-11-29T09:53:29.123+01:00 INFO xfer kind=push outcome=ok received=3 ms=12.5 repository=ann
                                                                   of one among those of a server of many

Source: RFC 3339 for the time, which is that of the machine's own zone.
"""

import logging
from contextvars import ContextVar
from datetime import datetime
from typing import Final

#: Which of its repositories a server of many works for in this thread; empty: it has one, or it is for none.
REPOSITORY: Final = ContextVar("repository", default="")


def time_of(record: logging.LogRecord) -> str:
    """When the record was made, to a millisecond, in this machine's zone."""
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


class Text(logging.Formatter):
    """One line for each event; an exception adds its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        return f"{line} repository={name}" if (name := REPOSITORY.get()) else line

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return time_of(record)


def to_stderr(level: int = logging.INFO) -> None:
    """Log as text, unless this process has been told already where its log goes."""
    handler = logging.StreamHandler()
    handler.setFormatter(Text())
    logging.basicConfig(level=level, handlers=[handler])
