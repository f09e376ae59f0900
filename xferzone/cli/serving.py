"""xferzone group serving: what all members serve of each zone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from xferzone.cli import agreement, grouped
from xferzone.cli.configuration import Files, config_option
from xferzone.cli.grouped import Own
from xferzone.cli.output import printable, show_json
from xferzone.cli.settings import Settings
from xferzone.cli.terminal import agreed, show_table
from xferzone.errors import UsageError
from xferzone.exchange.group.serving import Serving
from xferzone.refs.serving import Difference, Rule, compact, differences, known
from xferzone.serve.running import listeners


@click.command()
@click.argument("source", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Change it without asking.")
@config_option
@click.pass_obj
def serving(settings: Settings, source: Path | None, yes: bool, file: Path | None) -> None:
    """Show from which branches all members serve zones, or change it.

    FILE is the configuration of a server. Of its [[zone]] tables name, branch and canary count, without ecs_from. What
    changes is shown, and asked for. DNS does not start in a member whose configuration says otherwise.

    \b
    Examples:
      xferzone group serving
      xferzone group serving zones.xferzone.toml
    """
    if settings.json and source is not None and not yes:
        raise UsageError("--format json asks nothing: give --yes, too")
    wanted = None if source is None else compact(Files(settings.repository, source, {}).read().terms.rules())
    with grouped.member(settings.repository, file) as own:
        found = Serving.read(own.store, own.keys, own.share, own.project)
        if wanted is None:
            _show(settings, found.rules, changed=False)
            return
        changes = not found.is_so(wanted)
        if changes:
            if not settings.json:
                _show_changes(found.rules, wanted)
            if not yes and not agreed("let all members serve so?"):
                raise click.Abort
            found.put(wanted)
    if settings.json:
        _show(settings, wanted if changes else found.rules, changed=changes)
    else:
        told = "changed: now every member's configuration has to say so" if changes else "nothing to change"
        click.echo(told, err=True)


def _show(settings: Settings, rules: Sequence[Rule] | None, *, changed: bool) -> None:
    if settings.json:
        show_json(
            {"agreed": rules is not None, "zones": list(map(_in_json, rules or ())), "changed": changed}
        )
    elif rules is None:
        click.echo("the group has no rules: each member serves as its configuration says", err=True)
    elif not rules:
        click.echo("all members serve every zone from main", err=True)
    else:
        show_table([[printable(each.zone), printable(str(each))] for each in rules])


def _in_json(rule: Rule) -> Mapping[str, object]:
    canary = rule.canary
    return {
        "zone": rule.zone,
        "branch": rule.branch,
        "canary": None
        if canary is None
        else {"branch": canary.branch, "percent": canary.hundredths / 100, "salt": canary.salt},
    }


def _show_changes(before: Sequence[Rule] | None, wanted: Sequence[Rule]) -> None:
    if before is None:
        click.echo("the group has no rules yet; these would be the first", err=True)
        if not wanted:
            click.echo("every zone from main", err=True)
    changes: list[Difference] = list(differences(wanted, before or ()))
    show_table(
        [
            [printable(each.zone), printable(str(each.theirs)), "->", printable(str(each.ours))]
            for each in changes
        ]
    )


def differing(own: Own, file: Path | None, rules: Sequence[Rule] | None) -> list[str]:
    """How DNS is served here, or would be once it starts, otherwise than in the group (`rules`); a line each.

    Where it runs, its options count; where nothing runs, the configuration does.

    Args:
        rules: as etcd has them; None: it cannot be reached, or has none, and what was heard last counts.
    """
    running = listeners(own.store.path)
    if any(each.what == "dns" for each in running):
        doubts = {each.pid: each for each in running if each.what == "dns" and each.doubt}
        return [f"xferzone {each.verb}, pid {pid}: {each.doubt}" for pid, each in sorted(doubts.items())]
    if running:
        return []
    if rules is None:
        with own.store.reader() as reader:
            rules = known(reader)
    return [] if rules is None else agreement.told(Files(own.store.path, file, {}).read(), rules)
