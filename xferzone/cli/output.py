"""What the verbs print: JSON, differences, warnings, dates and counts; nothing in it may steer a terminal."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from xferzone.cli.settings import Settings
from xferzone.cli.steadied import STEERING
from xferzone.cli.terminal import signed
from xferzone.errors import Fault, Locked, XferzoneError, ZoneInvalid
from xferzone.wording import and_more, civil

if TYPE_CHECKING:  # what is behind it takes time, and errors are printed without it
    import dns.name

    from xferzone.zone.difference import Difference
    from xferzone.zonefile.record import Record

VERSION = 1  # of the JSON; fields are only added to it, and another one is another number
MAX_SHOWN = 20  # branches, check-ins or artifacts that are listed one by one; JSON has all
_STEERING = re.compile(f"[{STEERING}]")  # what JSON lets stand in a string


def show_json(fields: Mapping[str, object]) -> None:
    """Add fields to the one object that is printed when the verb has ended (docs/json.md)."""
    settings = click.get_current_context().find_object(Settings)
    assert settings is not None
    settings.answer.update(fields)


def print_json(answer: Mapping[str, object]) -> None:
    """Print the object, with the version of its form."""
    text = json.dumps({"version": VERSION} | dict(answer), indent=2, ensure_ascii=False)
    # Comments that stock took may hold bytes that are not UTF-8.
    click.echo(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "replace"))


def error_object(exc: XferzoneError) -> Mapping[str, object]:
    """An error as JSON has it."""
    told: dict[str, object] = {"code": exc.exit_code, "message": str(exc)}
    if isinstance(exc, Locked):
        told["locked"] = {"branch": exc.branch, "login": exc.login, "since": iso(exc.since_s * 1000)}
    if isinstance(exc, ZoneInvalid):
        told["faults"] = [
            {"file": fault.file or None, "line": fault.line or None, "reason": fault.reason}
            for fault in exc.faults
        ]
    return told


def show_difference(change: "Difference", zone: str) -> None:
    """Records of the zone gone with a minus, records come with a plus."""
    for at, sign, lines in ((0, "-", change.gone), (1, "+", change.come)):
        if change.default_ttl is not None:
            click.echo(signed(f"{sign}$TTL {change.default_ttl[at]}"))
        for line in _shown(lines, zone):
            click.echo(signed(f"{sign}{line.decode()}"))


def default_ttl_as_json(change: "Difference") -> dict[str, int | None]:
    """The default TTL before and after, in seconds; None: it has not changed."""
    before, after = change.default_ttl or (None, None)
    return {"default_ttl_before": before, "default_ttl_after": after}


def show_changes(change: "Difference", zone: str, limit: int) -> None:
    """The same for people who have just made the change: at most `limit` lines, and how many more there are.

    `limit` 0: the caller counts them.
    """
    if (told := change.default_told()) is not None:
        click.echo(told)
    half = limit // 2
    gone = max(half, limit - len(change.come))
    come = limit - min(gone, len(change.gone))
    for sign, lines, most, verb in (("-", change.gone, gone, "removed"), ("+", change.come, come, "added")):
        for line in _shown(lines[:most], zone):
            click.echo(signed(f"{sign}{line.decode()}"))
        if limit and len(lines) > most:
            click.echo(f"... {and_more(len(lines) - most)} {verb}: --format json has all")


def _shown(lines: Sequence[bytes], zone: str) -> Sequence[bytes]:
    """Canonical lines as people are shown them."""
    if not any(b"TYPE" in line for line in lines):
        return lines
    from xferzone.zonefile import names, text

    origin = names.zone_name(zone)
    return text.shown_lines(text.read(b"\n".join(lines), origin), origin)


def changes_as_json(change: "Difference", zone: str) -> list[dict[str, object]]:
    """The records that went, then those that came."""
    from xferzone.zonefile import names, text

    origin = names.zone_name(zone)
    return [
        {"action": action} | record_as_json(record, origin)
        for action, lines in (("delete", change.gone), ("add", change.come))
        for record in text.read(b"\n".join(lines), origin)
    ]


def record_as_json(record: "Record", origin: "dns.name.Name") -> dict[str, object]:
    """A record: absolute name, TTL in seconds, type and data as people are shown them, and the data's octets."""
    from xferzone.zonefile import text

    kind, rdata = text.shown_type_and_rdata(record.rdtype, record.rdata)
    return {
        "name": text.owner_name(record.owner, origin),
        "ttl": record.ttl,
        "type": kind,
        "rdata": rdata,
        "rdata_hex": record.rdata.hex(),
    }


def show_warnings(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {printable(warning)}", err=True)


def as_faults(warnings: Iterable[str], outcome: str) -> ZoneInvalid:
    """The error that --strict makes of warnings; `outcome` says what came of them."""
    exc = ZoneInvalid([Fault("", 0, warning) for warning in warnings])
    exc.args = (f"{exc}\n{outcome}: --strict takes a warning for a fault",)
    return exc


def printable(text: str) -> str:
    """What somebody else wrote, as one line of a terminal: without control characters that could steer it."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text
    )


def when(date_ms: int) -> str:
    """A date as people are shown it, in UTC."""
    return civil(date_ms)


def iso(date_ms: int) -> str:
    """A date as JSON has it: ISO 8601 with milliseconds, in UTC."""
    return f"{civil(date_ms).replace(' ', 'T')}.{date_ms % 1000:03}Z"


def show_list(lines: Sequence[str], indent: str = "") -> None:
    """At most MAX_SHOWN of the lines, then how many more there are."""
    for line in lines[:MAX_SHOWN]:
        click.echo(printable(f"{indent}{line}"))
    if len(lines) > MAX_SHOWN:
        click.echo(f"{indent}... {and_more(len(lines) - MAX_SHOWN)}: --format json has all")
