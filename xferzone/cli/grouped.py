"""A member's share in its group, as options and the configuration give it, and the etcd that it leads to.

--etcd, --name, ...  >  [group] of the configuration, or its variables  >  what `group join` has kept
"""

import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from xferzone.cli.configuration import Files
from xferzone.cli.group_settings import SECTION, file_of, remedies
from xferzone.errors import Refused, UsageError
from xferzone.refs.membership import PREFIX, Membership, membership, wish, wished
from xferzone.refs.roster import MAX_NAME, check_name, known_fellows, parse_prefix
from xferzone.secret import Secret, SecretAt
from xferzone.serve.running import listeners
from xferzone.store import Reader, Store
from xferzone.transport.url import is_same_place, parse_endpoint, parse_member

if TYPE_CHECKING:  # msgspec behind the first, and connections behind the second, take a while
    from xferzone.config import Config
    from xferzone.loading import Loaded
    from xferzone.refs.etcd import Etcd

_Command = TypeVar("_Command", bound=Callable[..., object])
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Given:
    """What options say of the share; what is empty or None was not given."""

    etcd: Sequence[str] = ()
    prefix: str | None = None
    name: str | None = None
    url: str | None = None
    user: str | None = None
    password_file: Path | None = None
    ca: Path | None = None

    @property
    def options(self) -> Collection[str]:
        """Those of them that were given and that etcd may have no answer to."""
        given = {
            "--etcd": self.etcd,
            "--etcd-user": self.user,
            "--etcd-password-file": self.password_file,
            "--etcd-ca": self.ca,
        }
        return [option for option, value in given.items() if value]


def sound(parse: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, _Value], _Value]:
    """A callback of an option that takes only what `parse` takes; the error names the option."""

    def checked(_context: click.Context, _parameter: click.Parameter, value: _Value) -> _Value:
        values = value if isinstance(value, tuple) else () if value is None else (value,)
        for each in values:
            try:
                parse(str(each))
            except UsageError as exc:
                raise click.BadParameter(str(exc)) from exc
        return value

    return checked


def _authority(path: str) -> None:
    from xferzone.transport.trust import trust  # ssl takes a while

    trust(path)


def _revealed(path: str) -> None:
    Secret(SecretAt("file", path)).reveal({})


def etcd_options(command: _Command) -> _Command:
    """The options that say where etcd is."""
    options = [
        click.option(
            "--etcd",
            multiple=True,
            callback=sound(parse_endpoint),
            metavar="URL",
            help="An endpoint of etcd; may be given several times.",
        ),
        click.option(
            "--prefix",
            callback=sound(parse_prefix),
            metavar="PREFIX",
            help=f"What the group's keys begin with in etcd.  [default: {PREFIX}]",
        ),
        click.option(
            "--etcd-user", "user", metavar="NAME", help="The account at etcd, with --etcd-password-file."
        ),
        click.option(
            "--etcd-password-file",
            "password_file",
            type=click.Path(path_type=Path, dir_okay=False),
            callback=sound(_revealed),
            metavar="FILE",
            help="Where the password at etcd is; it is read there at each start, and not kept.",
        ),
        click.option(
            "--etcd-ca",
            "ca",
            type=click.Path(path_type=Path, dir_okay=False),
            callback=sound(_authority),
            metavar="FILE",
            help="Authorities for etcd's certificate.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


# many: what options say, and the configuration
def share_wished(repository: Path, given: Given, loaded: "Loaded[Config]") -> Membership:
    """The share that a join is to give the repository, without lives and secret.

    Raises:
        UsageError: it is not known where etcd is, or where fellows reach this repository, or an option is wrong.
    """
    known, group = _known(repository), loaded.config.group
    etcd = given.etcd or group.etcd or (known.etcd if known else ())
    if not etcd:
        raise UsageError("where is etcd? give --etcd URL, or etcd in [group] of the configuration")
    own = _own_url(repository) if not (given.url or group.url or known) else ""
    url = given.url or group.url or (known.url if known else "") or own
    if not url:
        raise UsageError("where do fellows reach this repository? give --url, such as http://HOST:8080/")
    password = str(group.password or "") or (known.password if known else "")
    if given.password_file is not None:
        password = str(Secret(SecretAt("file", str(given.password_file.absolute()))))
    user = given.user or group.user or (known.user if known else "")
    if user and not password:
        raise UsageError(
            f"the password of {user} at etcd: give --etcd-password-file, or password in [group] of the configuration"
        )
    return Membership(
        etcd=tuple(etcd),
        prefix=parse_prefix(given.prefix or group.prefix or (known.prefix if known else PREFIX)),
        name=given.name or group.name or (known.name if known else _own_name()),
        life="",
        group="",
        url=parse_member(url),
        secret="",
        user=user,
        password=password,
        ca=_file(given.ca, group.ca, known.ca if known else ""),
        certificate=_file(None, group.certificate, known.certificate if known else ""),
        key=_file(None, group.key, known.key if known else ""),
    )


def configured(share: Membership, loaded: "Loaded[Config]") -> Membership:
    """The share with what the configuration says.

    Raises:
        UsageError: it says another name or prefix, which only a join can change.
    """
    group = loaded.config.group
    for what, own, said in (("name", share.name, group.name), ("prefix", share.prefix, group.prefix)):
        if said not in (None, own):
            raise loaded.fault(
                SECTION,
                what,
                why=f"it is {said}, and the repository joined with {own}: `xferzone group leave`, then join again",
            )
    from msgspec.structs import replace  # see above

    return replace(
        share,
        etcd=group.etcd or share.etcd,
        url=parse_member(group.url) if group.url else share.url,
        user=group.user or share.user,
        password=str(group.password or "") or share.password,
        ca=_file(None, group.ca, share.ca),
        certificate=_file(None, group.certificate, share.certificate),
        key=_file(None, group.key, share.key),
    )


def configure(repository: Path, loaded: "Loaded[Config]") -> None:
    """Have the repository, if it is a member, keep its share as the configuration says, for all its programs.

    Raises:
        UsageError: as `check_fits`.
    """
    with Store.open(repository) as store:
        with store.reader() as reader:
            share, wanted = membership(reader), _fitting(reader, loaded)
        if wanted is not None and wanted != share:
            with store.writer() as writer:
                wish(writer, wanted)


def check_fits(repository: Path, loaded: "Loaded[Config]") -> None:
    """See that the configuration fits the group that the repository has joined, as far as it is known here.

    Raises:
        UsageError: it says another name or prefix than the repository joined with, or the URL of another member.
    """
    if repository.is_file():
        with Store.open(repository) as store, store.reader() as reader:
            _fitting(reader, loaded)


def _fitting(reader: Reader, loaded: "Loaded[Config]") -> Membership | None:
    """The share with what the configuration says; None: the repository is not a member. Raises as `check_fits`."""
    share = membership(reader)
    if share is None:
        return None
    wanted = configured(share, loaded)
    others = [(name, one) for name, one in known_fellows(reader).items() if name != share.name]
    same = next((name for name, one in others if is_same_place(one.url, wanted.url)), None)
    if same is not None and not is_same_place(share.url, wanted.url):
        raise loaded.fault(
            SECTION,
            "url",
            why=f"another member, {same}, is at {wanted.url}: give one that leads to {share.name}; if {same} is lost "
            f"for ever, `xferzone group remove {same}`, then `xferzone group join` here",
        )
    return wanted


def read(repository: Path, file: Path | None) -> "Loaded[Config]":
    """The configuration, of which [group] counts."""
    return Files(repository, file, {}).read().loaded


@dataclass(frozen=True, slots=True)
class Own:
    """A member's repository, its share and its etcd, while they are open."""

    store: Store
    share: Membership
    project: str
    space: str
    keys: "Etcd"


@contextmanager
def member(repository: Path, file: Path | None) -> Iterator[Own]:
    """The member that the repository is. Raises Refused: it is not one."""
    with Store.open(repository) as store:
        with store.reader() as reader:
            share = membership(reader)
            role = reader.role
            project = reader.setting("project-code") or ""
        if share is None:
            raise Refused(
                f"{repository} is a {role}, and in no group: `xferzone group join` makes it a member"
            )
        loaded = read(repository, file)
        share = configured(share, loaded)
        # Imported here: servers that are no members do without urllib3.
        from xferzone.refs.reached import reached

        keys = reached(share, remedies(share, (), loaded))
        try:
            yield Own(store, share, project, share.space(project), keys)
        finally:
            keys.close()


def _known(repository: Path) -> Membership | None:
    if not repository.exists():
        return None
    with Store.open(repository) as store, store.reader() as reader:
        return wished(reader)


def _file(given: Path | None, said: Secret | None, known: str) -> str:
    if given is not None:
        return str(given.absolute())
    return known if said is None else file_of(said)


def _own_name() -> str:
    name = socket.gethostname().partition(".")[0].lower()[:MAX_NAME]
    try:
        check_name(name)
    except UsageError as exc:
        raise UsageError(f"the host's name {exc}: give --name") from exc
    return name


def _own_url(repository: Path) -> str:
    """Where a server of this machine answers for the repository; empty: none does, or on every address."""
    found = [each for each in listeners(repository) if each.what in ("http", "replicate")]
    named = [each.address for each in found if not each.address.startswith(("0.0.0.0:", "[::]:"))]
    return f"http://{named[0]}/" if named else ""
