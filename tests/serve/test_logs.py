"""What servers write to stderr, as text and as JSON."""

import json
import logging
import sys
from datetime import datetime

from xferzone.logline import Text
from xferzone.serve.logs import Json


def line(message: str, *args: object, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("xferzone.web.xfer", logging.INFO, __file__, 1, message, args, None)
    vars(record).update(extra)
    text = Json().format(record)
    assert "\n" not in text
    made: dict[str, object] = json.loads(text)
    return made


def test_a_line_has_a_time_with_its_zone_the_level_the_logger_and_the_message() -> None:
    made = line("hello\n%s", "world")
    assert datetime.fromisoformat(str(made.pop("time"))).utcoffset() is not None
    assert made == {"level": "INFO", "logger": "xferzone.web.xfer", "message": "hello\nworld"}


def test_a_line_of_text_has_a_time_with_its_zone_too() -> None:
    record = logging.LogRecord("xferzone.web.xfer", logging.INFO, __file__, 1, "hello %s", ("world",), None)
    time, level, message = Text().format(record).split(" ", 2)
    made = datetime.fromisoformat(time)
    assert made.utcoffset() is not None
    assert abs(made.timestamp() - record.created) < 0.001
    assert (level, message) == ("INFO", "hello world")


def test_fields_keep_their_types() -> None:
    made = line(
        "xfer kind=%s received=%d ms=%.1f who=%r 100%% %s n=%5d", "push", 3, 12.345, "ann", "other", 7
    )
    assert made["message"] == "xfer kind=push received=3 ms=12.3 who='ann' 100% other n=    7"
    assert {name: made[name] for name in ("kind", "received", "ms", "who", "n")} == {
        "kind": "push",
        "received": 3,
        "ms": 12.345,
        "who": "ann",
        "n": 7,
    }


def test_what_a_client_wrote_makes_no_field_and_no_second_line() -> None:
    made = line("xfer user=%s why=%s", "x outcome=ok\n{}", "level=ERROR")
    assert made["user"] == "x outcome=ok\n{}"
    assert "outcome" not in made
    assert made["level"] == "INFO"
    assert line("level=%s logger=%s", "ERROR", "x")["level"] == "INFO"


def test_extra_is_a_field_and_a_mapping_of_arguments_is_no_trouble() -> None:
    assert line("hello", peer="192.0.2.1", parts=["a"])["parts"] == ["a"]
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "a=%(a)s", ({"a": 1},), None)
    assert json.loads(Json().format(record))["message"] == "a=1"


def test_an_exception_is_in_the_line() -> None:
    try:
        raise ValueError("of a kind")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert "ValueError: of a kind" in json.loads(Json().format(record))["exception"]
