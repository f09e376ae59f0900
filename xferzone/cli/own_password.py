"""xferzone passwd: the password of one's own account at another repository."""

import click

from xferzone.cli import passwords
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings, reading
from xferzone.errors import UsageError
from xferzone.exchange.known import known_remote
from xferzone.transport import forms
from xferzone.transport.url import credentials, shown_url


@click.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@click.option("--password-file", metavar="FILE", help="The old password is its first line; - is stdin.")
@click.option("--new-password-file", metavar="FILE", help="The new password is its first line; - is stdin.")
@click.option("--save-password", is_flag=True, help="Keep the new password in FILE.passwords, for you alone.")
@click.pass_obj
def passwd(
    settings: Settings,
    remote: str | None,
    password_file: str | None,
    new_password_file: str | None,
    save_password: bool,
) -> None:
    """Change your own password at another repository.

    It is the origin, unless another is named: by a URL with your login, or by a remote's name. The new password is
    asked for if no file has it; the old one, too, if it was not saved. A saved one is replaced. The account needs the
    right p there.

    \b
    Examples:
      xferzone passwd
      xferzone passwd https://ann@dns.example.net/
    """
    url = remote if remote is not None and "://" in remote else _known(settings, remote)
    address, login, _ = credentials(url)
    if not login:
        raise UsageError(
            f"{shown_url(url)}: whose password? put the login into the URL, LOGIN@ before the host"
        )
    if save_password:
        passwords.check_may_save(settings.repository)
    account = passwords.account(settings.repository, url, password_file)
    assert account is not None  # there is a login
    new = passwords.new(f"new password for {login} at {address}", new_password_file, "--new-password-file")
    said = forms.post(address, "login", {"u": login, "p": account.password, "n1": new, "n2": new})
    if save_password or passwords.saved(settings.repository, url) is not None:
        passwords.save(settings.repository, url, new)
    if settings.json:
        show_json({"url": address, "login": login, "changed": True})
    else:
        click.echo(said, err=True)


def _known(settings: Settings, name: str | None) -> str:
    """The URL of a remote."""
    with reading(settings) as (reader, _):
        # Who owns a primary looks for the verb that changes a password in it.
        return known_remote(
            reader, name, "`xferzone user passwd LOGIN` for an account of this repository"
        ).url
