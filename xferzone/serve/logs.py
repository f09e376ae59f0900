"""What servers write to stderr: a line for each event, as text or as JSON.

    text    2026-11-29T07:53:29.123+00:00 INFO xfer kind=push outcome=ok received=3 ms=12.5
    json    {"time": "2026-11-29T07:53:29.123+00:00", "level": "INFO", "logger": "xferzone.web.xfer",
             "message": "xfer kind=push outcome=ok received=3 ms=12.5",
             "kind": "push", "outcome": "ok", "received": 3, "ms": 12.5}          on one line

A field is a `name=%s` of the call that logs, whose value keeps its type; never a part of the finished text, in which a
client might have written `outcome=ok`. What a call passes as `extra` is a field, too.
"""

import json
import logging
import re
import sys

from xferzone.config import Log
from xferzone.logline import REPOSITORY, Text, time_of

_SPECIFIER = re.compile(r"(?:(\w+)=)?%(?:%|[-#0 +]*\d*(?:\.\d+)?[a-zA-Z])")
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def set_up(log: Log) -> None:
    """Write what this process and those forked from it log to stderr as `log` says, and in no other way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if log.format == "json" else Text())
    level = getattr(logging, log.level.upper())
    # What libraries say at DEBUG is for their authors.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("xferzone").setLevel(level)


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if repository := REPOSITORY.get():
            line["repository"] = repository
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        for name, value in (_fields(record) | _extra(record)).items():
            line.setdefault(name, value)
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    if not isinstance(record.args, tuple):
        return {}
    specifiers = [found for found in _SPECIFIER.finditer(str(record.msg)) if not found[0].endswith("%%")]
    return {
        found[1]: value for found, value in zip(specifiers, record.args, strict=False) if found[1] is not None
    }


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}
