"""xferzone repair: what is damaged here, fetched anew."""

import time
from typing import Final

import click

from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.output import show_json
from xferzone.cli.progress import watching
from xferzone.cli.remotes import known_remote
from xferzone.cli.settings import Settings
from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.publish.follow import Followed
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.store.check.replace import damaged
from xferzone.store.remotes import Remote
from xferzone.sync.client import driver
from xferzone.sync.client.options import Options, Purpose
from xferzone.sync.client.repair import RepairSession
from xferzone.transport.http import HTTP
from xferzone.transport.url import credentials
from xferzone.wording import counted

MAX_PASSES: Final = 10  # a damaged delta shows when what it needs has been mended


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
        left = _damaged(store)
        repaired: list[ArtifactId] = []
        where = ""
        if left:
            with store.reader() as reader:
                known, project = known_remote(reader, remote), reader.project_code
            url = remote if remote is not None and "://" in remote else known.url
            account = passwords.account(settings.repository, url, password_file)
            where, _, _ = credentials(known.url)
            for _ in range(MAX_PASSES):
                session = RepairSession(project, Options(Purpose(pull=True, push=False), account), left)
                with ending_in_order():
                    _run(store, known, session)
                repaired += session.repaired
                left = _damaged(store)
                if not (left and session.repaired):
                    break
    if settings.json:
        show_json({"repaired": repaired, "damaged": left})
    else:
        click.echo(
            f"{counted(len(repaired), 'artifact')} repaired" if repaired or left else "nothing is damaged"
        )
    if left:
        raise XferzoneError(
            f"{where} has not sent {counted(len(left), 'damaged artifact')}: {', '.join(left)}"
        )


def _damaged(store: Store) -> list[ArtifactId]:
    with store.reader() as reader:
        return damaged(reader)


def _run(store: Store, remote: Remote, session: RepairSession) -> None:
    address, _, _ = credentials(remote.url)
    began = time.monotonic()
    with (
        HTTP(address, with_login=session.has_account, is_ours=bool(remote.epochs)) as way,
        watching(address, tells_races=False) as observer,
    ):
        driver.run(store, way, session, observer)
    if session.errors:
        done = synced.Sync(address, session, time.monotonic() - began, Followed())
        raise synced.refusal(done, "is it the password, or is another project there?")
    tell_move(store.path, remote, way)
