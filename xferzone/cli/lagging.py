"""How a mirror stands to its primaries, as `status` shows it: what exchange/mirror/standing.py recorded."""

from collections.abc import Iterator

from xferzone.cli.output import iso
from xferzone.exchange.mirror.standing import Standing, Standings
from xferzone.transport.url import credentials
from xferzone.wording import counted


def lines(found: Standings | None, now_ms: int) -> Iterator[str]:
    """One for each primary, and one for the lag."""
    if found is None:
        return
    for each in found.primaries:
        yield f"primary: {credentials(each.url)[0]} {_state(each, now_ms)}"
    behind = found.behind_ms(now_ms)
    if behind is None:
        yield "behind: it has never been at a primary's newest version"
    else:
        moves = found.behind_moves
        more = f", {counted(moves, 'check-in')}" if moves else ""
        yield f"behind: {behind / 1000:.0f} s{more}" if behind or moves else "behind: 0 s"


def in_json(found: Standings | None, now_ms: int) -> dict[str, object]:
    """The fields of `status`."""
    primaries = [] if found is None else found.primaries
    behind = None if found is None else found.behind_ms(now_ms)
    return {
        "behind_seconds": None if behind is None else behind / 1000,
        "behind_checkins": 0 if found is None else found.behind_moves,
        "primaries": [
            {
                "url": each.url,
                "via": each.via or None,
                "last_success": _date(each.success_ms),
                "last_error": _date(each.error_ms),
                "error": each.error if each.error_ms > each.success_ms else None,
            }
            for each in primaries
        ],
    }


def _state(each: Standing, now_ms: int) -> str:
    ago = (
        "has never answered"
        if not each.success_ms
        else f"answered {_ago(now_ms - each.success_ms)} by {each.via}"
    )
    if each.error_ms > each.success_ms:
        return f"{ago}; failed {_ago(now_ms - each.error_ms)}: {each.error}"
    return ago


def _ago(passed_ms: int) -> str:
    return f"{max(passed_ms, 0) / 1000:.0f} s ago"


def _date(date_ms: int) -> str | None:
    return iso(date_ms) if date_ms else None
