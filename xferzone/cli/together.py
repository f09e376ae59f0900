"""How a member stands to its group, as `status` shows it: what exchange/group/standing.py recorded."""

from collections.abc import Iterator

from xferzone.cli.output import iso
from xferzone.exchange.group.standing import Fellow, Standing
from xferzone.transport.url import without_password
from xferzone.wording import counted


def lines(found: Standing | None, now_ms: int) -> Iterator[str]:
    """One for the member, and one for each fellow."""
    if found is None:
        return
    state = found.state if not found.is_stale(now_ms) else f"{found.state} when its servers ended"
    why = f": {found.why}" if found.why else ""
    yield f"group: member {found.name}, {state} since {_ago(now_ms - found.since_ms)}{why}"
    yield f"etcd: {'answered ' + _before(now_ms - found.answered_ms) if found.answered_ms else 'has never answered'}"
    if found.behind:
        yield f"behind the group: {counted(found.behind, 'branch')}"
    yield from (f"look at: {each}" for each in found.remarks)
    yield from (
        f"fellow: {each.name} {without_password(each.url)} {_fellow(each, now_ms)}" for each in found.fellows
    )


def in_json(found: Standing | None, now_ms: int) -> dict[str, object]:
    """The field of `status`; null: the repository is not a member, or was never served as one."""
    if found is None:
        return {"group": None}
    return {
        "group": {
            "member": found.name,
            "state": found.state,
            "reason": found.why or None,
            "since": iso(found.since_ms),
            "is_running": not found.is_stale(now_ms),
            "etcd_answered": _date(found.answered_ms),
            "behind": found.behind,
            "remarks": list(found.remarks),
            "fellows": [
                {
                    "name": each.name,
                    "url": without_password(each.url),
                    "is_alive": each.is_alive,
                    "last_success": _date(each.success_ms),
                    "last_error": _date(each.error_ms),
                    "error": each.error if each.error_ms > each.success_ms else None,
                }
                for each in found.fellows
            ],
        }
    }


def _fellow(each: Fellow, now_ms: int) -> str:
    alive = "alive" if each.is_alive else "not alive"
    fetched = f"fetched {_before(now_ms - each.success_ms)}" if each.success_ms else "nothing was fetched yet"
    if each.error_ms > each.success_ms:
        return f"{alive}; {fetched}; failed {_before(now_ms - each.error_ms)}: {each.error}"
    return f"{alive}; {fetched}"


def _ago(passed_ms: int) -> str:
    return f"{max(passed_ms, 0) / 1000:.0f} s"


def _before(passed_ms: int) -> str:
    return f"{_ago(passed_ms)} ago"


def _date(date_ms: int) -> str | None:
    return iso(date_ms) if date_ms else None
