r"""The date of a D or E card <-> milliseconds since 1970, UTC.

Written:    YYYY-MM-DDTHH:MM:SS.SSS
Read:       whatever SQLite's julianday() accepts and one token can hold:

    date    = "-"? YYYY-MM-DD [T and blanks]* (time)?
    time    = HH:MM (":" SS ("." S+)?)? blank* ("Z" | "z" | [+-]HH:MM)? blank*      alone: on 2000-01-01
    number  = a decimal of days since the Julian epoch
    now     = the word

Every month takes days up to 31 and every day hours up to 24; the excess runs into the next one. The time must be after
the Julian epoch and before the year 10000. Blanks are TAB, VT, FF and CR, since a space ends the token.

`now` reads as 1970. Stock takes the moment of parsing, so no two replicas would agree. A check-in of 1970 is not after
any parent, so it is never published.
Seconds are rounded to milliseconds. SQLite before 3.45 truncates them, sometimes to one less than was written.
Source: SQLite 3.41, src/date.c parseDateOrTime(), computeJD(), src/util.c sqlite3AtoF().
"""

import re
from datetime import UTC, datetime, timedelta

_DAY = 86_400_000  # milliseconds
_HALF_EPOCH = 1524 * _DAY + _DAY // 2  # from day 0 of the formula in _civil() to the Julian epoch
_UNIX_EPOCH = 210_866_760_000_000  # 1970, milliseconds after the Julian epoch
_LAST = 464_269_060_799_999  # the last millisecond of the year 9999, in the same count
_LAST_NUMBER = 5_373_484.5  # days; julianday() accepts numbers below this
FIRST_DATE = -62_135_596_800_000  # the first that is written, of the year 1; milliseconds since 1970
LAST_DATE = _LAST - _UNIX_EPOCH  # the last that is read or written; the same
_MAX_TOKEN = 64  # bytes; ours, far longer than any sensible date

_TIME = (
    rb"(?P<h>\d\d):(?P<m>\d\d)(?::(?P<s>\d\d)(?:\.(?P<f>\d+))?)?[\t\v\f\r]*(?:[Zz]|(?P<zone>[+-]\d\d:\d\d))?"
)
_DATE = rb"(?P<bc>-?)(?P<Y>\d{4})-(?P<M>\d\d)-(?P<D>\d\d)[T\t\v\f\r]*"
_BLANKS = rb"[\t\v\f\r]*"
_CIVIL = re.compile(rb"(?:%s)?(?:%s)?%s" % (_DATE, _TIME, _BLANKS))
_NUMBER = re.compile(rb"%s[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%s" % (_BLANKS, _BLANKS))


def parse_date(token: bytes) -> int:
    """Milliseconds since 1970, UTC; negative before.

    Raises:
        ValueError: julianday() would not accept it, or it is over 64 bytes long.
    """
    if not token or len(token) > _MAX_TOKEN:
        raise ValueError("no date")
    if (match := _CIVIL.fullmatch(token)) and match.lastgroup:
        moment = _civil(match)
    elif token.lower() == b"now":
        moment = _UNIX_EPOCH
    elif _NUMBER.fullmatch(token) and 0 <= (days := float(token)) < _LAST_NUMBER:
        moment = int(days * _DAY + 0.5)
    else:
        raise ValueError(f"{token!r} is not a date")
    if not 0 < moment <= _LAST:
        raise ValueError(f"{token!r} is out of range")
    return moment - _UNIX_EPOCH


def format_date(date_ms: int) -> bytes:
    """The D card's form of `date_ms`, milliseconds since 1970. ValueError outside the years 1 to 9999."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=date_ms)
    except OverflowError as exc:
        raise ValueError(f"{date_ms} ms is outside the years 1 to 9999") from exc
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds").encode("ascii")


def _civil(match: re.Match[bytes]) -> int:
    """Milliseconds after the Julian epoch, proleptic Gregorian, by the formula of SQLite's computeJD()."""
    year, month, day = 2000, 1, 1
    if match["Y"]:
        year, month, day = (int(match[part]) for part in "YMD")
        year = -year if match["bc"] else year
    if not (1 <= month <= 12 and 1 <= day <= 31 and year >= -4713):
        raise ValueError(f"{match[0]!r} is not a date")
    if month <= 2:
        year, month = year - 1, month + 12
    century = (year + 4800) // 100
    leaps = 38 - century + century // 4
    days = 36525 * (year + 4716) // 100 + 306001 * (month + 1) // 10000 + day + leaps
    return days * _DAY - _HALF_EPOCH + (_time(match) if match["h"] else 0)


def _time(match: re.Match[bytes]) -> int:
    hours, minutes, seconds = int(match["h"]), int(match["m"]), int(match["s"] or 0)
    zone_hours, zone_minutes = (int(part) for part in (match["zone"] or b"+00:00")[1:].split(b":"))
    if hours > 24 or minutes > 59 or seconds > 59 or zone_hours > 14 or zone_minutes > 59:
        raise ValueError(f"{match[0]!r} is not a time")
    zone = zone_hours * 60 + zone_minutes
    if (match["zone"] or b"").startswith(b"-"):
        zone = -zone
    fraction = int((match["f"] or b"0")[:4].ljust(4, b"0")) + 5
    return (hours * 60 + minutes - zone) * 60_000 + seconds * 1000 + fraction // 10
