"""`sync --replay`: work of this clone that lost a race is made again on the new tip, and synced."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import click

from xferzone.cli.output import (
    MAX_SHOWN,
    changes_as_json,
    printable,
    show_changes,
    show_json,
    show_warnings,
)
from xferzone.cli.settings import Settings, now_ms, own_login
from xferzone.edit.appending import Author
from xferzone.edit.replaying import Replayed, own_forks, replay
from xferzone.errors import LostRace, NotFound, Refused, UsageError, ZoneInvalid
from xferzone.hashing import short
from xferzone.publish.follow import Diverged
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store, schema
from xferzone.zone.difference import Difference

MAX_REPLAYS = 5  # times that work which loses again is made again; ours


class Replays(NamedTuple):
    """What was made again, and of each fork that was not, a line that says why."""

    done: Sequence[Replayed]
    failed: Sequence[str]


NONE = Replays((), ())


def replayed(store: Store, diverged: Iterable[Diverged]) -> Replays:
    """Make again what `diverged` says that a sync has just left behind, and what older forks of this login hold.

    Each fork has a transaction of its own.

    Raises:
        UsageError: this is not a clone.
    """
    done: list[Replayed] = []
    failed: list[str] = []
    author = Author(own_login(), now_ms())
    with store.reader() as reader:
        if reader.role != schema.CLONE:
            raise UsageError(f"--replay makes commits again in a clone; this is a {reader.role}")
        named = [BranchName.parse(each.now_on) for each in diverged]
        forks = dict.fromkeys([fork for fork in named if fork is not None and fork.is_fork])
        forks |= dict.fromkeys(own_forks(reader, author.login))
    for fork in forks:
        try:
            with store.writer() as writer:
                done.append(replay(writer, LocalRefs(writer), fork, author))
        except (LostRace, NotFound, Refused, ZoneInvalid) as exc:
            failed.append(f"{fork} was not made again: {exc}")
    return Replays(done, failed)


def show(settings: Settings, done: Sequence[Replayed]) -> None:
    """Print what was made again."""
    if settings.json:
        show_json({"replayed": [_as_json(one) for one in done]})
        return
    for one in done:
        for lost, commit in one.commits:
            show_warnings(commit.warnings)
            show_changes(commit.changes or Difference(), one.home.zone, MAX_SHOWN)
            made = "is there already" if commit.checkin is None else f"is now {short(commit.checkin)}"
            click.echo(printable(f"{one.home}: {short(lost)} {made}"))


def _as_json(one: Replayed) -> Mapping[str, object]:
    commits = [
        {
            "lost": lost,
            "checkin": commit.checkin,
            "warnings": commit.warnings,
            "changes": changes_as_json(commit.changes or Difference(), one.home.zone),
        }
        for lost, commit in one.commits
    ]
    return {"branch": str(one.home), "fork": str(one.fork), "commits": commits}
