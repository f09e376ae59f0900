"""What a sync came to: its last lines, its JSON, and the errors that end it."""

from collections.abc import Mapping, Sequence

import click

from xferzone.cli.output import MAX_SHOWN, printable, show_json, show_list
from xferzone.cli.settings import Settings
from xferzone.errors import Busy, Denied, LostRace, NoRoom, PeerError, XferzoneError
from xferzone.exchange import Outcome
from xferzone.exchange.said import BUSY, EMPTY, FAILED, GUESSING, NO_ROOM, REPLACED
from xferzone.hashing import short
from xferzone.observer import size
from xferzone.publish.follow import Diverged
from xferzone.sync.client import refusals
from xferzone.sync.client.options import Account
from xferzone.wording import counted, listed

#: How stock and we refuse a push; a foreign server's own words are shown instead.
_NO_PUSH = ("not authorized to write", "pull only - not authorized to push")

#: How errors of a server of ours begin that are not the sender's fault, and what they come to.
_TROUBLES: Mapping[str, type[XferzoneError]] = {
    BUSY: Busy,
    REPLACED: Busy,
    EMPTY: Busy,
    GUESSING: Busy,
    NO_ROOM: NoRoom,
    FAILED: PeerError,
}


def show(
    settings: Settings,
    exchanges: Sequence[Outcome],
    verb: str,
    *,
    with_files: bool = False,
    with_artifacts: bool = True,
) -> None:
    """Print the last one, or the JSON of all; `verb` says what was done with the remote.

    `with_files`, `with_artifacts`: unversioned files, and artifacts, were exchanged.
    """
    done = exchanges[-1]
    traffic, followed = done.traffic, done.followed
    if settings.json:
        show_json(_account_of(exchanges))
        return
    show_list(
        [
            f"{moved.branch} {short(moved.new)}{'' if moved.serial is None else f' serial {moved.serial}'}"
            for moved in followed.moved
        ]
    )
    told = [f"received {counted(traffic.received, 'artifact')}, sent {_taken(done):,}"] * with_artifacts
    files = f"received {counted(traffic.uv_received, 'unversioned file')}, sent {traffic.uv_sent:,}"
    told += [files] * with_files
    if traffic.rows_received or traffic.rows_sent:
        told.append(f"received {counted(traffic.rows_received, 'row')}, sent {traffic.rows_sent:,}")
    click.echo(
        f"{verb} {done.peer}: {'; '.join(told)}; "
        f"{counted(traffic.rounds, 'round')}, {size(traffic.bytes_in)} in, {size(traffic.bytes_out)} out, "
        f"{done.seconds:.1f} s"
    )


def _taken(done: Outcome) -> int:
    """How many artifacts the server took."""
    return 0 if done.is_denied else done.traffic.sent


def _account_of(exchanges: Sequence[Outcome]) -> Mapping[str, object]:
    """What they did together, and what the last one left."""
    done, all_traffic = exchanges[-1], [done.traffic for done in exchanges]
    followed = done.followed
    return {
        "remote": done.peer,
        "rounds": sum(traffic.rounds for traffic in all_traffic),
        "received": sum(traffic.received for traffic in all_traffic),
        "sent": sum(map(_taken, exchanges)),
        "uv_received": sum(traffic.uv_received for traffic in all_traffic),
        "uv_sent": sum(traffic.uv_sent for traffic in all_traffic),
        "uv_gimmes": sum(traffic.uv_gimmes for traffic in all_traffic),
        "rows_received": sum(traffic.rows_received for traffic in all_traffic),
        "rows_sent": sum(traffic.rows_sent for traffic in all_traffic),
        "bytes_in": sum(traffic.bytes_in for traffic in all_traffic),
        "bytes_out": sum(traffic.bytes_out for traffic in all_traffic),
        "seconds": round(sum(done.seconds for done in exchanges), 3),
        "moved": [
            {"branch": str(moved.branch), "from": moved.old, "to": moved.new, "serial": moved.serial}
            for each in exchanges
            for moved in each.followed.moved
        ],
        "diverged": [
            {"branch": str(each.branch), "checkins": list(each.checkins), "now_on": each.now_on}
            for each in followed.diverged
        ],
        "invalid": [
            {"branch": str(each.branch), "checkin": each.checkin, "reason": each.reason}
            for each in followed.invalid
        ],
        "incomplete": [
            {"branch": str(each.branch), "checkin": each.checkin, "reason": each.reason}
            for each in followed.incomplete
        ],
        "absent": done.absent,
        "withheld": done.withheld,
        "waiting": [line for each in exchanges for line in each.waiting],
        "messages": [message for each in exchanges for message in each.messages],
    }


def complain(done: Outcome) -> None:
    """Tell what went wrong with what came.

    Raises:
        LostRace: work of ours did.
        XferzoneError: not all has come.
    """
    followed = done.followed
    for kept in (*followed.invalid, *followed.incomplete)[:MAX_SHOWN]:
        reason = kept.reason.replace("\n", "; ")
        click.echo(printable(f"{kept.branch} stays where it was: {reason}"), err=True)
    for notice in (*followed.notices[:MAX_SHOWN], *done.waiting):
        click.echo(printable(notice), err=True)
    if done.withheld:
        named = f"{counted(len(done.absent), 'artifact')} and not sent: {listed(done.absent, MAX_SHOWN)}"
        raise XferzoneError(f"{done.peer} has named {named}")
    if done.absent:
        # Its own push may be on its way there, or they were shunned: the next sync asks again.
        named = f"{counted(len(done.absent), 'artifact')} that did not come and was not announced"
        click.echo(printable(f"{done.peer} names {named}: {listed(done.absent, MAX_SHOWN)}"), err=True)
    if followed.incomplete:
        branches = ", ".join(str(kept.branch) for kept in followed.incomplete[:MAX_SHOWN])
        raise XferzoneError(f"{done.peer} tells of check-ins that it has not sent, for {branches}")
    if followed.diverged:
        raise LostRace("\n".join(map(_told_of, followed.diverged[:MAX_SHOWN])))


def complain_of_files(done: Outcome) -> None:
    """Tell what went wrong with unversioned files.

    Raises:
        XferzoneError: not all has come.
        Denied: the peer takes none.
    """
    for why in done.uv_left_out[:MAX_SHOWN]:
        click.echo(printable(why), err=True)
    if done.uv_absent:
        names = printable(listed(done.uv_absent, MAX_SHOWN))
        count = counted(len(done.uv_absent), "unversioned file")
        raise XferzoneError(f"{done.peer} has named {count} and not sent: {names}")
    if done.uv_is_denied:
        raise Denied(
            f"{done.peer} takes no unversioned files from this account, and there are newer ones here: there, "
            "`xferzone user caps LOGIN` or `fossil user capabilities` gives it the letter y"
        )


def complain_of_tables(done: Outcome) -> None:
    """Tell what went wrong with synced tables.

    Raises:
        Denied: the peer takes none.
    """
    for why in done.tables_left_out[:MAX_SHOWN]:
        click.echo(printable(why), err=True)
    if done.tables_are_denied:
        raise Denied(
            f"{done.peer} takes no rows from this account, and there are newer ones here: there, `xferzone user caps "
            "LOGIN` gives it the letter i, or s for tables that are not defined there"
        )


def _told_of(lost: Diverged) -> str:
    """What became of work that lost a race, and how it comes to an end."""
    ids = ", ".join(short(checkin) for checkin in lost.checkins[:MAX_SHOWN])
    is_are = "is" if len(lost.checkins) == 1 else "are"
    told = f"somebody else was first on {lost.branch}: yours, {ids}, {is_are} "
    if lost.now_on == str(lost.branch):
        return f"{told}kept here, and not published"
    zone, branch = lost.branch.zone, lost.branch.branch
    fork = lost.now_on.removeprefix(f"{zone}/")
    return (
        f"{told}on branch {lost.now_on} now\n"
        f"see it with `xferzone diff {zone} {branch} {fork}`; `xferzone sync --replay` does it again where nobody else "
        f"changed the same. If you do it again by yourself, `xferzone branch {zone} {fork} --close` closes it"
    )


def check_pushed(done: Outcome, *, tries: bool, is_primary: bool) -> None:
    """See that what was to be pushed has arrived, and was not beaten in a race; `tries`: something was.

    A primary must not pull from another one: it would take the other's work for the loser.

    Raises:
        Denied, LostRace
    """
    if done.is_denied and tries:
        raise _takes_none(done.peer, done.denial, done.unsent)
    for branch in done.beaten:
        raise LostRace(
            f"somebody else was first on {branch}: what was pushed is kept at {done.peer}, and `xferzone log "
            f"{branch.partition('/')[0]}` there says where"
            if is_primary
            else f"somebody else was first on {branch}: `xferzone pull` brings what {done.peer} has there, "
            "and says where yours is"
        )


def refusal(done: Outcome, doubt: str, *, remedy: str = "", pushed: bool = False) -> XferzoneError:
    """What the server's error cards come to: a failed login leaves a `doubt`, a missing right has perhaps a `remedy`.

    A push may leave artifacts unsent.
    """
    left = done.unsent if pushed else 0
    return refused(done.peer, done.errors, doubt, remedy=remedy, left=left, sent=done.traffic.sent)


# many: each is one fact of the exchange
def refused(
    peer: str, errors: Sequence[str], doubt: str, *, remedy: str = "", left: int = 0, sent: int = 0
) -> XferzoneError:
    """The same of `peer`'s errors, after so many artifacts were sent and so many are `left` unsent."""
    text = printable("; ".join(errors))
    more = f"; {_unsent(left)}" if left else ""
    for beginning, kind in _TROUBLES.items():
        if text.startswith(beginning):
            return kind(f"{peer} says: {text}{more}")
    if refusals.is_of_login(text):
        return Denied(f"{peer}: {text}: {doubt}")
    if refusals.is_of_push(text) and left:
        return _takes_none(peer, text, left)
    if refusals.is_of_right(text) or refusals.is_of_push(text) or sent:
        return Denied(f"{peer} refuses: {text}{more}{f'; {remedy}' if remedy else ''}")
    if text == "wrong project":
        return PeerError(f"{peer} holds another project than this repository")
    return PeerError(f"{peer} says: {text}")


def _takes_none(peer: str, words: str, left: int) -> Denied:
    says = "" if words in _NO_PUSH else f" and says: {printable(words)}"
    return Denied(f"{peer} takes no pushes from this account{says}; {_unsent(left)}")


def _unsent(count: int) -> str:
    return f"{counted(count, 'artifact')} {'stays' if count == 1 else 'stay'} here unsent"


def remedy_of(account: Account | None, url: str) -> str:
    """What may help where a right is missing."""
    if account is not None:
        return ""
    return f"no login was sent: give one in the URL, {url.replace('://', '://LOGIN@', 1)}"
