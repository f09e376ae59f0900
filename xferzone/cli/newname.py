"""The name of a new zone, and what it looks like instead: then people are asked whether that was meant.

    /etc/bind/db.example, ./example.com.zone        a file: --from
    example.com.zone, if there is such a file       the same
    192.0.2.0/24, 2001:db8::/32, 192.0.2.1          a network or an address: its reverse zone
    0/25.2.0.192.in-addr.arpa                       a name (RFC 2317)

A final dot says that a name is meant as it stands: `example.com.zone.` is a zone.
"""

import re
from pathlib import Path

from xferzone.errors import UsageError
from xferzone.zonefile import names
from xferzone.zonefile.reverse import reverse

_FILE = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")  # how a path begins
_ENDINGS = (".zone", ".db", ".txt", ".dns", ".hosts", ".conf")
_REVERSE = ("in-addr.arpa", "ip6.arpa")


def new_zone(text: str) -> str:
    """The zone id of a zone that is to be added.

    Raises:
        UsageError: it is not a name, or it looks like something else; the message asks.
    """
    if not text.endswith("."):
        question = _network(text) or _file(text)
        if question:
            raise UsageError(question)
    return names.parse_zone(text)


def _file(text: str) -> str:
    is_path = bool(_FILE.match(text)) or ("/" in text and not text.lower().endswith(_REVERSE))
    if not is_path and not (text.lower().endswith(_ENDINGS) and Path(text).is_file()):
        return ""
    name = re.split(r"[/\\]", text)[-1]
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    zone = name.removeprefix("db.") if "." in name.removeprefix("db.") else "ZONE"
    return f"{text} looks like a file: did you mean `xferzone zone add {zone} --from {text}`?{_insist(text)}"


def _insist(text: str) -> str:
    try:
        names.parse_zone(text)
    except UsageError:
        return ""
    return f" A zone of that name is written {text}. with a final dot"


def _network(text: str) -> str:
    found = reverse(text)
    if found is None:
        return ""
    what = "a network" if "/" in text else "an address"
    more = f", the first of {found.zones} that it has" if found.zones > 1 else ""
    return f"{text} is {what}: did you mean its reverse zone, `xferzone zone add {found.zone}`{more}?"
