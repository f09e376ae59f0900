"""The verbs about the repository itself: init, status, promote, demote, check, rebuild, backup, stats."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from xferzone.cli.conditions import if_missing, is_given, tell_nothing
from xferzone.cli.new_life import no_serial_step, show_stepped, stepped_json
from xferzone.cli.output import printable, show_json, show_list
from xferzone.cli.settings import Settings, changing, now_ms, occasion, reading
from xferzone.hashing import short
from xferzone.refs import Door
from xferzone.repository import check as zone_inspect
from xferzone.repository import demote as zone_demote
from xferzone.repository import make
from xferzone.repository import promote as zone_promote
from xferzone.repository import rebuild as zone_rebuild
from xferzone.repository import status as state
from xferzone.serve.running import Listener, listeners
from xferzone.store import Store, schema
from xferzone.store.check import faults as inspect
from xferzone.store.unsent import Unsent
from xferzone.transport.url import without_password
from xferzone.wording import counted

DEFAULT_ADMIN = "ops"


@click.command()
@click.option("--admin", metavar="LOGIN", default=DEFAULT_ADMIN, show_default=True, help="The first account.")
@click.option("--project-code", metavar="HEX", help="40 hex digits; else random ones.")
@if_missing
@click.pass_obj
def init(settings: Settings, admin: str, project_code: str | None) -> None:
    """Make a repository and an account, and show its password.

    \b
    Example:
      xferzone -R zones.xferzone init --admin ops
    """
    if is_given() and settings.repository.exists():
        Store.open(settings.repository).close()
        tell_nothing(str(settings.repository))
        if settings.json:
            show_json({"repository": str(settings.repository), "changed": False})
        return
    secret = make.make(settings.repository, admin=admin, project_code=project_code, now_ms=now_ms())
    if settings.json:
        made = {"repository": str(settings.repository), "changed": True}
        show_json(made | {"admin": admin, "password": secret})
        return
    click.echo(f"admin: {admin}\npassword: {secret}")
    click.echo(
        f"""made {settings.repository}; next, try:
  xferzone -R {settings.repository} zone add example.com
  xferzone -R {settings.repository} up
  fossil clone --save-http-password http://{admin}:{secret}@127.0.0.1:8080/ z.fossil
  dig @127.0.0.1 -p 5300 example.com SOA""",
        err=True,
    )


@click.command()
@click.pass_obj
def status(settings: Settings) -> None:
    """What is published, what waits or is unsent, who listens.

    \b
    Example:
      xferzone status
    """
    with reading(settings, may_be_empty=True) as (reader, refs):
        found = state.status(reader, refs, now_ms())
    serving = listeners(settings.repository)
    lines, fields = _standings(settings, found.role)
    if settings.json:
        show_json(_status_json(settings, found, serving) | fields)
        return
    _show_heading(settings, found)
    for line in lines:
        click.echo(printable(line))
    if found.role not in schema.DECIDING:
        click.echo(f"not pushed: {counted(found.unsent, 'artifact')}")
        show_list([f"{one.branch}: {_work(one)}" for one in found.unsent_branches], "  ")
    click.echo(f"published: {counted(found.zones, 'zone')}, {counted(found.branches, 'branch')}")
    waits = f", of which {found.waiting:,} wait" if found.waiting else ""
    click.echo(f"not published: {counted(len(found.unpublished), 'check-in')}{waits}")
    show_list(
        [f"{short(one.id)} {one.branch}: {'; '.join(one.reason.splitlines())}" for one in found.unpublished],
        "  ",
    )
    if found.forks or found.old_forks:
        older = f", {found.old_forks} older ones" if found.old_forks else ""
        click.echo(
            f"lost races: {len(found.forks)}{older} (merge them, or `xferzone branch ZONE NAME --close`)"
        )
    show_list([f"{short(fork.id)} {fork.branch}" for fork in found.forks], "  ")
    listed = ", ".join(f"{one.what} {one.address} (xferzone {one.verb}, pid {one.pid})" for one in serving)
    click.echo(f"listening: {listed or 'nobody (start with `xferzone up`)'}")


def _standings(settings: Settings, role: str) -> tuple[Sequence[str], dict[str, object]]:
    """How a mirror stands to its primaries, and a member to its group: as lines, and as fields."""
    # Imported here: what exchanges with peers is behind it, which other verbs do not need.
    from xferzone.cli import lagging, together
    from xferzone.exchange.group import standing as of_member
    from xferzone.exchange.mirror.standing import of_role

    now = now_ms()
    mirror, member = of_role(settings.repository, role), of_member.of_role(settings.repository, role)
    lines = [*lagging.lines(mirror, now), *together.lines(member, now)]
    return lines, lagging.in_json(mirror, now) | together.in_json(member, now)


def _show_heading(settings: Settings, found: state.Status) -> None:
    """What repository it is, and where it comes from."""
    click.echo(
        f"repository: {settings.repository}\nproject: {found.project or 'not known yet'}\nrole: {found.role}"
    )
    if found.empty:
        click.echo(printable(f"not ready: {found.empty}"))
    for each in found.remotes:
        click.echo(printable(f"remote: {each.name} {each.url}"))


def _status_json(settings: Settings, found: state.Status, serving: Sequence[Listener]) -> dict[str, object]:
    return {
        "repository": str(settings.repository),
        "project": found.project,
        "role": found.role,
        "not_ready": found.empty or None,
        "remotes": [{"name": each.name, "url": each.url} for each in found.remotes],
        "unsent": found.unsent,
        "unsent_branches": [
            {"branch": one.branch, "checkins": one.checkins, "tags": one.tags}
            for one in found.unsent_branches
        ],
        "zones": found.zones,
        "unpublished": [
            {"checkin": one.id, "branch": one.branch, "reason": one.reason} for one in found.unpublished
        ],
        "waiting": found.waiting,
        "forks": [{"checkin": one.id, "branch": one.branch} for one in found.forks],
        "old_forks": found.old_forks,
        "listeners": [
            {"what": one.what, "address": one.address, "verb": one.verb, "pid": one.pid} for one in serving
        ],
    }


def _work(unsent: Unsent) -> str:
    """As in "2 check-ins, 1 tag"."""
    counts = (unsent.checkins, "check-in"), (unsent.tags, "tag")
    return ", ".join(counted(number, noun) for number, noun in counts if number)


@click.command()
@no_serial_step
@click.pass_obj
def promote(settings: Settings, no_serial_step: bool) -> None:
    """Make a clone a primary: its zones change here from now on.

    What waited is published, and each zone's serial goes up by 1,000, past those that the lost primary may have served.
    Do so when the primary is lost, or will not change again: two active primaries of a project diverge.

    \b
    Example:
      xferzone promote
    """
    with changing(settings) as (writer, refs):
        done = zone_promote.promote(writer, refs, occasion(Door.CLI), steps=not no_serial_step)
        writer.make_clusters()
    if settings.json:
        show_json(_promoted_json(done))
    elif done is None:
        click.echo("it is a primary already", err=True)
    else:
        _show_promoted(done)


def _promoted_json(done: zone_promote.Promoted | None) -> Mapping[str, object]:
    moved = () if done is None else done.followed.moved
    return {
        "role": schema.PRIMARY,
        "was": schema.PRIMARY if done is None else done.was,
        "moved": [{"branch": str(one.branch), "to": one.new, "serial": one.serial} for one in moved],
        "stepped": stepped_json(None if done is None else done.stepped),
        "notices": () if done is None else _notices(done),
    }


def _show_promoted(done: zone_promote.Promoted) -> None:
    for one in done.followed.moved:
        serial = "" if one.serial is None else f" serial {one.serial}"
        click.echo(f"{printable(str(one.branch))} {short(one.new)}{serial}")
    show_stepped(done.stepped)
    for notice in _notices(done):
        click.echo(printable(notice), err=True)
    click.echo(
        f"""promoted: this {done.was} is now the primary. Its remote "origin" was renamed "{zone_promote.OLD_ORIGIN}"
accounts were not copied; add them: xferzone user add LOGIN
other clones follow it after: xferzone remote remove origin; xferzone remote add origin URL""",
        err=True,
    )


@click.command()
@click.argument("url")
@click.pass_obj
def demote(settings: Settings, url: str) -> None:
    """Make a primary a clone of the one at URL.

    Do so where a project has two primaries: they refuse each other. The next `sync` sends what only this one has; where
    both changed the same branch, it is found on a fork branch.

    \b
    Example:
      xferzone demote https://ops@dns.example.net/
    """
    shown = without_password(url)
    with changing(settings) as (writer, refs):
        done = zone_demote.demote(writer, refs, shown, occasion(Door.CLI))
    if settings.json:
        notices = () if done is None else done.notices
        unsent = 0 if done is None else done.unsent
        was = schema.CLONE if done is None else schema.PRIMARY
        show_json({"role": schema.CLONE, "was": was, "unsent": unsent, "notices": notices})
    elif done is None:
        click.echo(
            "it is a clone already: `xferzone remote add --replace origin URL` has it follow another",
            err=True,
        )
    else:
        for notice in done.notices:
            click.echo(printable(notice), err=True)
        click.echo(f"demoted: this is a clone of {printable(shown)} now\nnext: xferzone sync", err=True)


def _notices(done: zone_promote.Promoted) -> list[str]:
    """What publishing and the new life of serials have told."""
    return [*done.followed.notices, *(() if done.stepped is None else done.stepped.notices)]


def show_faults(faults: Sequence[str]) -> None:
    """A line each; names of damaged rows may hold anything."""
    for fault in faults:
        click.echo(printable(fault))


@click.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Read every artifact and compare what was derived from it.

    The exit code is 1 if anything is wrong; each fault is told with what mends it.

    \b
    Example:
      xferzone check
    """
    with reading(settings, may_be_empty=True) as (reader, refs):
        faults = list(zone_inspect.everything(reader, refs))
        sizes = inspect.stats(reader)
    if settings.json:
        show_json({"artifacts": sizes.artifacts, "faults": faults})
    else:
        show_faults(faults)
        click.echo(
            f"{counted(sizes.artifacts, 'artifact')} read, {counted(len(faults), 'fault')}", err=bool(faults)
        )
    if faults:
        raise click.exceptions.Exit(1)


@click.command()
@click.pass_obj
def rebuild(settings: Settings) -> None:
    """Derive everything again from the artifacts and refs.

    What it cannot mend is told, and the exit code is 1.

    \b
    Example:
      xferzone rebuild
    """
    with changing(settings) as (writer, refs):
        count = zone_rebuild.rebuild(writer, refs, occasion(Door.START))
        faults = list(zone_rebuild.left(writer))
    if settings.json:
        show_json({"artifacts": count, "faults": faults})
    else:
        show_faults(faults)
        click.echo(f"{counted(count, 'artifact')} linked again", err=True)
    if faults:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Copy the whole repository, accounts too, into the new FILE.

    It may be served and written meanwhile.

    \b
    Example:
      xferzone backup zones-monday.xferzone
    """
    with Store.open(settings.repository) as store:
        store.back_up(file)
    octets = file.stat().st_size
    if settings.json:
        show_json({"backup": str(file), "bytes": octets})
    else:
        click.echo(f"{file}: {octets:,} bytes", err=True)


@click.command()
@click.pass_obj
def stats(settings: Settings) -> None:
    """Counts and sizes.

    \b
    Example:
      xferzone stats
    """
    with Store.open(settings.repository) as store, store.reader() as reader:
        sizes = inspect.stats(reader)
    rows = {
        "file": settings.repository.stat().st_size,
        "artifacts": sizes.artifacts,
        "check-ins": sizes.checkins,
        "phantoms": sizes.phantoms,
        "unclustered": sizes.unclustered,
        "deltas": sizes.deltas,
        "content": sizes.content,
        "stored": sizes.stored,
        "indexes": sizes.indexes,
    }
    if settings.json:
        show_json({name.replace("-", ""): value for name, value in rows.items()})
    else:
        click.echo("".join(f"{name}: {value}\n" for name, value in rows.items()), nl=False)
