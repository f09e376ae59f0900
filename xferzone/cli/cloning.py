"""xferzone clone: a new repository, copied from another one.

The first request is always the same. It is sent before the rest of the program is loaded (cloned.py).
"""

from pathlib import Path

import click

from xferzone.cli import passwords
from xferzone.cli.settings import Settings
from xferzone.env import SYSTEM
from xferzone.errors import Exists
from xferzone.serve.process import ending_in_order
from xferzone.sync.client.opening import first_request
from xferzone.transport.http import HTTP
from xferzone.transport.sooner import Sooner
from xferzone.transport.url import credentials


@click.command()
@click.argument("url")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@passwords.password_options
@click.pass_obj
def clone(
    settings: Settings, url: str, file: Path | None, password_file: str | None, save_password: bool
) -> None:
    """Copy a repository from URL into a new FILE.

    Without FILE it is the one that -R names. `sync` then knows where it came from. A password in the URL is not
    remembered. XFERZONE_PASSWORD may hold it, too.

    \b
    Examples:
      xferzone clone https://ops@dns.example.net/ zones.xferzone
      xferzone clone --save-password --password-file secret https://ops@dns.example.net/
    """
    path = file or settings.repository
    if path.exists():
        raise Exists(f"{path} exists already and was left as it is: give another FILE")
    if save_password:
        passwords.check_may_save(path)
    account = passwords.account(path, url, password_file)
    address, _, _ = credentials(url)
    way = HTTP(address, with_login=account is not None)
    with ending_in_order(), way, Sooner(way, first_request(SYSTEM)) as asked:
        from xferzone.cli import cloned  # which takes 0.1 s

        cloned.take(settings, cloned.Wish(url, path, account, save_password), way, asked)
