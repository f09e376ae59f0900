"""xferzone repair: what is damaged here, fetched anew."""

from collections.abc import Sequence
from pathlib import Path

import click

from xferzone import exchange
from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.output import MAX_SHOWN, show_json
from xferzone.cli.progress import watching
from xferzone.cli.reached import reached
from xferzone.cli.restore import check_not_served
from xferzone.cli.settings import Settings
from xferzone.errors import UsageError, XferzoneError
from xferzone.exchange import Options, Repaired
from xferzone.exchange.known import known_remote
from xferzone.exchange.repair import find_damaged, repair_from
from xferzone.hashing import ArtifactId
from xferzone.repository.own_log import accept_log
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.store.check import layout
from xferzone.transport.url import credentials
from xferzone.wording import counted


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@click.option("--password-file", metavar="FILE", help="The password is its first line; - is stdin.")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take what is damaged from this file, a backup or clone, instead.",
)
@click.option(
    "--accept-wal",
    is_flag=True,
    help="First take the log beside the repository for its own: both were copied together.",
)
@click.pass_obj
def repair(
    settings: Settings, remote: str | None, password_file: str | None, source: Path | None, accept_wal: bool
) -> None:
    """Fetch damaged artifacts anew from a remote.

    Every artifact is read; what cannot be is asked for at origin, or at any repository of the project: artifacts are
    known by their hash. What is sound stays as it is. The exit code is 1 if something is still damaged, or if the
    database itself is: `xferzone restore` puts a backup in its place.

    \b
    Examples:
      xferzone repair
      xferzone repair https://ops@clone.example.net/
      xferzone repair --from zones-monday.xferzone
    """
    if source is not None and remote is not None:
        raise UsageError("give a remote or --from FILE, not both")
    if accept_wal:
        check_not_served(settings.repository)
        accept_log(settings.repository)
        click.echo("the log was checked on a copy, and taken", err=True)
    with Store.open(settings.repository) as store:
        _check_database(store)
        damaged = find_damaged(store)
        if not damaged:
            _show(settings, Repaired())
        elif source is not None:
            with Store.open(source) as backup:
                done = repair_from(store, backup, damaged)
            _end(settings, done, str(source))
        else:
            _fetch(settings, store, damaged, remote, password_file)


def _check_database(store: Store) -> None:
    """Raise XferzoneError if the database is malformed: its artifacts could not be mended in it."""
    with store.reader() as reader:
        found = list(layout.database(reader))
    if found:
        told = "\n".join(found[:MAX_SHOWN])
        raise XferzoneError(f"{store.path} is malformed, and artifacts alone do not mend that\n{told}")


def _fetch(
    settings: Settings,
    store: Store,
    damaged: Sequence[ArtifactId],
    remote: str | None,
    password_file: str | None,
) -> None:
    with store.reader() as reader:
        known = known_remote(reader, remote, "a backup with --from FILE")
    url = remote if remote is not None and "://" in remote else known.url
    account = passwords.account(settings.repository, url, password_file)
    address, _, _ = credentials(known.url)
    options = Options(account=account, observer=watching(address, tells_races=False))
    login, is_ours = account is not None, bool(known.epochs)
    with ending_in_order(), reached(store.path, address, with_login=login, is_ours=is_ours) as way:
        done = exchange.repair(store, way, options, damaged)
    if not done.errors:
        tell_move(store.path, known, way)
    if done.errors:
        raise synced.refused(address, done.errors, "is it the password, or is another project there?")
    _end(settings, done, address)


def _end(settings: Settings, done: Repaired, source: str) -> None:
    _show(settings, done)
    if done.damaged:
        raise XferzoneError(
            f"{source} lacks {counted(len(done.damaged), 'damaged artifact')}: {', '.join(done.damaged)}"
        )


def _show(settings: Settings, done: Repaired) -> None:
    if settings.json:
        show_json({"repaired": done.repaired, "damaged": done.damaged})
    elif done.repaired or done.damaged:
        click.echo(f"{counted(len(done.repaired), 'artifact')} repaired")
    else:
        click.echo("nothing is damaged")
