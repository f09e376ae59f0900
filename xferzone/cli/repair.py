"""xferzone repair: what is damaged here, fetched anew."""

import click

from xferzone import exchange
from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.output import show_json
from xferzone.cli.progress import watching
from xferzone.cli.settings import Settings
from xferzone.errors import XferzoneError
from xferzone.exchange import Options, Repaired
from xferzone.exchange.known import known_remote
from xferzone.exchange.repair import find_damaged
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.transport.http import HTTP
from xferzone.transport.url import credentials
from xferzone.wording import counted


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@click.option("--password-file", metavar="FILE", help="The password is its first line; - is stdin.")
@click.pass_obj
def repair(settings: Settings, remote: str | None, password_file: str | None) -> None:
    """Fetch damaged artifacts anew from a remote.

    Every artifact is read; what cannot be is asked for at origin, or at any repository of the project: artifacts are
    known by their hash. What is sound stays as it is. The exit code is 1 if something is still damaged.

    \b
    Examples:
      xferzone repair
      xferzone repair https://ops@clone.example.net/
    """
    with Store.open(settings.repository) as store:
        damaged = find_damaged(store)
        if not damaged:
            _show(settings, Repaired())
            return
        with store.reader() as reader:
            known = known_remote(reader, remote)
        url = remote if remote is not None and "://" in remote else known.url
        account = passwords.account(settings.repository, url, password_file)
        address, _, _ = credentials(known.url)
        options = Options(account=account, observer=watching(address, tells_races=False))
        login, is_ours = account is not None, bool(known.epochs)
        with ending_in_order(), HTTP(address, with_login=login, is_ours=is_ours) as way:
            done = exchange.repair(store, way, options, damaged)
        if not done.errors:
            tell_move(store.path, known, way)
    if done.errors:
        raise synced.refused(address, done.errors, "is it the password, or is another project there?")
    _show(settings, done)
    if done.damaged:
        raise XferzoneError(
            f"{address} has not sent {counted(len(done.damaged), 'damaged artifact')}: {', '.join(done.damaged)}"
        )


def _show(settings: Settings, done: Repaired) -> None:
    if settings.json:
        show_json({"repaired": done.repaired, "damaged": done.damaged})
    elif done.repaired or done.damaged:
        click.echo(f"{counted(len(done.repaired), 'artifact')} repaired")
    else:
        click.echo("nothing is damaged")
