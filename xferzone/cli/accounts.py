"""Accounts as verbs take and show them: rights, dates, and a change that a group makes at all members."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

import click

from xferzone.cli.output import iso
from xferzone.cli.settings import Settings, check_not_empty
from xferzone.errors import UsageError
from xferzone.exchange.group import accounts as shared
from xferzone.refs.keys import Keys
from xferzone.refs.membership import membership
from xferzone.repository.accounts import ADMIN_CAPS
from xferzone.store import Store
from xferzone.store.accounts import User
from xferzone.wording import instant
from xferzone.zonefile import names

READ_CAPS = "gop"  # clone and read, and change the own password; letters as stock has them
WRITE_CAPS = "giop"
ADMINISTRATORS = frozenset("as")
_DAY = len("2027-01-31")
_LETTERS = "aegiopsuvxy"  # those that have a meaning here; what they mean stands in the help of `user caps`


def caps_options(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--admin", "level", flag_value=ADMIN_CAPS, help="Everything.")(command)
    command = click.option("--write", "level", flag_value=WRITE_CAPS, help="Clone, pull and push.")(command)
    return click.option("--read", "level", flag_value=READ_CAPS, help="Clone and pull.")(command)


def chosen_caps(letters: str | None, level: str | None, default: str | None) -> str:
    if letters is not None and level is not None:
        raise UsageError("give letters, or one of --read, --write and --admin")
    caps = letters if letters is not None else level if level is not None else default
    if caps is None:
        raise UsageError("which rights? --read, --write, --admin, or letters as Fossil has them")
    if unknown := set(caps) - set(_LETTERS):
        raise UsageError(
            f"the letters {''.join(sorted(unknown))!r} mean nothing here: g clone, o read, i write, s everything; "
            f"`xferzone user caps --help` has all"
        )
    return "".join(sorted(set(caps)))


def limits(user: User) -> list[str]:
    """The zones that it is held to, and when it expires."""
    if not user.zones and user.expires_ms is None:
        return []
    until = [] if user.expires_ms is None else [f"until {instant(user.expires_ms)}"]
    return [" ".join(user.zones) or "-", *until]


def as_row(shown: str, user: User) -> list[str]:
    """Its line in a table: `shown`, what it is called there, its letters and its limits."""
    return [shown, user.caps or "-", *limits(user)]


def as_json(user: User) -> Mapping[str, object]:
    expires = None if user.expires_ms is None else iso(user.expires_ms)
    return {"login": user.login, "caps": user.caps, "zones": user.zones, "expires": expires}


def parsed_date(text: str) -> int:
    """Milliseconds since 1970."""
    try:
        date = datetime.fromisoformat(text)
        if date.tzinfo is None and len(text) > _DAY:
            raise ValueError("no time zone")
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as exc:
        raise UsageError(
            f"{text!r} is not a date: write 2027-01-31, 2027-01-31T18:00Z, 2027-01-31T18:00+01:00 or never"
        ) from exc


def parsed_zones(zone_names: Sequence[str]) -> tuple[str, ...]:
    """Their ids, in order."""
    return tuple(sorted({names.parse_zone(each) for each in zone_names}))


def changed(settings: Settings, login: str, wanted: shared.Change) -> tuple[User | None, User | None]:
    """The account as it was, and as it is now: in a member of a group everywhere."""
    with reached_accounts(settings) as (store, keys):
        return shared.change(store, login, wanted, keys) if login.isprintable() else (wanted(None, ""), None)


@contextmanager
def reached_accounts(settings: Settings) -> Iterator[tuple[Store, Keys | None]]:
    """The repository, and the keys of the group that it is a member of; None: it is not."""
    with Store.open(settings.repository) as store, ExitStack() as held:
        with store.reader() as reader:
            check_not_empty(reader)
            share = membership(reader)
        if share is None:
            yield store, None
            return
        from xferzone.refs.reached import reached  # what a repository without a group does not need

        yield store, held.enter_context(closing(reached(share)))
