"""xferzone table: define, list, rows, put, rm: rows that xferzones share, of each the newest."""

import os
from collections.abc import Sequence

import click

from xferzone.cli.conditions import if_exists, is_given, tell_nothing
from xferzone.cli.output import iso, printable, show_json, when
from xferzone.cli.settings import Settings, changing, now_ms, own_login, reading
from xferzone.cli.terminal import show_table
from xferzone.errors import NotFound, Refused, UsageError
from xferzone.repository import tables as changes
from xferzone.store import Reader, schema, tables
from xferzone.store.remotes import ORIGIN, origin_of, remotes
from xferzone.store.tables import REGISTRY, Row, Table
from xferzone.sync.client.registry import PEERS
from xferzone.tables.canonical import Value, encode
from xferzone.tables.definition import Definition, Rule, Type, made
from xferzone.transport.url import credentials
from xferzone.wording import counted


@click.group()
def table() -> None:
    """Synced tables: rows that xferzones share.

    They travel with `clone`, `sync`, `pull` and `push` to other xferzones, unless --no-tables is given; Fossil gets
    none of them. Of two states of a row the newer one counts.

    \b
    Examples:
      xferzone table define hosts --column host:text --column port:integer --key host
      xferzone table put hosts host=ns1 port=53
      xferzone table rows hosts
    """


@table.command()
@click.argument("name")
@click.option("--column", "columns", metavar="NAME:TYPE", multiple=True, help="A column; several.")
@click.option("--key", "key", metavar="NAME", multiple=True, help="A column of the key; several.")
@click.option(
    "--rule",
    type=click.Choice([str(rule) for rule in Rule]),
    default=str(Rule.MTIME),
    show_default=True,
    help="Who may write a row.",
)
@click.pass_obj
def define(settings: Settings, name: str, columns: Sequence[str], key: Sequence[str], rule: str) -> None:
    """Make a table, or give one other columns.

    TYPE is text, integer, real, blob or json. Rows with the same key are one row. With mtime-wins whoever may write
    writes any row; with self-write the first key column is the login that may write the row; with owner-write a row
    is of who wrote it first.

    The table `peers` is the registry of those that sync; give it no columns. Each that syncs with a login of its own
    enters itself, once an hour, and logins with the capability s see all rows.

    \b
    Examples:
      xferzone table define hosts --column host:text --column port:integer --key host
      xferzone table define peers
      xferzone table define status --column login:text --column at:integer --key login --rule self-write
    """
    definition = _defined(name, columns, key, rule)
    with changing(settings) as (writer, _):
        _check_takes(writer)
        is_changed = changes.define(writer, definition, now_ms())
        found = tables.needed(writer, name)
    if settings.json:
        show_json(_as_json(found) | {"changed": is_changed})
    else:
        _tell(name, "defined", is_changed=is_changed)


@table.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """Name, rule, columns and number of rows of each; * marks columns of the key.

    \b
    Example:
      xferzone table list
    """
    with reading(settings, may_be_empty=True) as (reader, _):
        found = tables.tables(reader)
        counts = {each.name: sum(1 for _ in tables.rows(reader, each.definition)) for each in found}
    if settings.json:
        show_json({"tables": [_as_json(each) | {"rows": counts[each.name]} for each in found]})
    elif not found:
        click.echo("there are no tables: `xferzone table define NAME` makes one", err=True)
    else:
        show_table(
            [
                [
                    each.name,
                    str(each.definition.rule),
                    _columns(each.definition),
                    counted(counts[each.name], "row"),
                ]
                for each in found
            ]
        )


@table.command()
@click.argument("name")
@click.pass_obj
def rows(settings: Settings, name: str) -> None:
    """The rows of a table: its columns, then when it was changed, and whose it is.

    \b
    Example:
      xferzone table rows hosts
    """
    with reading(settings, may_be_empty=True) as (reader, _):
        definition = tables.needed(reader, name).definition
        found = list(tables.rows(reader, definition))
    if settings.json:
        show_json({"name": name, "rows": [_row_as_json(*each) for each in found]})
    elif not found:
        click.echo(
            f"table {name} has no rows: `xferzone table put {name} COLUMN=VALUE...` makes one", err=True
        )
    else:
        names = [column for column, _ in definition.columns]
        show_table(
            [
                [*(_text(values.get(column)) for column in names), when(row.mtime), printable(row.owner)]
                for row, values in found
            ]
        )


@table.command()
@click.argument("name")
@click.argument("values", metavar="COLUMN=VALUE...", nargs=-1, required=True)
@click.pass_obj
def put(settings: Settings, name: str, values: Sequence[str]) -> None:
    """Write a row, in the place of what has its key.

    The row is what is given: a column that is left out has no value then. A blob is given in base64.

    \b
    Examples:
      xferzone table put hosts host=ns1 port=53
      xferzone table put notes key=k 'more={"seen": [1, 2]}'
    """
    with changing(settings) as (writer, _):
        _check_takes(writer)
        definition = tables.needed(writer, name).definition
        try:
            given = _given(definition, values)
            is_changed = changes.put(writer, name, given, _writing(writer), now_ms())
        except ValueError as exc:
            raise UsageError(printable(str(exc))) from exc
        row = tables.row(writer, name, definition.key_hash(given))
    assert row is not None
    if settings.json:
        show_json({"name": name, "changed": is_changed, "row": _row_as_json(row, given)})
    else:
        key = " ".join(_text(given[column]) for column in definition.key)
        _tell(name, f"row {key} put", is_changed=is_changed)


@table.command()
@click.argument("name")
@click.argument("key", metavar="KEY...", nargs=-1, required=True)
@if_exists
@click.pass_obj
def rm(settings: Settings, name: str, key: Sequence[str]) -> None:
    """Delete a row, here and wherever the next syncs lead.

    KEY... are the values of its key columns, in the order of the key.

    \b
    Example:
      xferzone table rm hosts ns1
    """
    is_gone = True
    with changing(settings) as (writer, _):
        _check_takes(writer)
        definition = tables.needed(writer, name).definition
        if len(key) != len(definition.key):
            raise UsageError(f"the key of table {name} is {', '.join(definition.key)}: give a value for each")
        try:
            values = {
                column: definition.value(column, text)
                for column, text in zip(definition.key, key, strict=True)
            }
            changes.remove(writer, name, values, _writing(writer), now_ms())
        except ValueError as exc:
            raise UsageError(printable(str(exc))) from exc
        except NotFound:
            if not is_given():
                raise
            is_gone = False
    if settings.json:
        show_json({"name": name, "changed": is_gone})
    else:
        _tell(name, f"row {printable(' '.join(key))} removed", is_changed=is_gone)


def _tell(name: str, what: str, *, is_changed: bool) -> None:
    if is_changed:
        click.echo(f"{name}: {what}")
    else:
        tell_nothing(name)


def _defined(name: str, columns: Sequence[str], key: Sequence[str], rule: str) -> Definition:
    if name == REGISTRY:
        if columns or key:
            raise UsageError(
                f"{REGISTRY} is the registry of those that sync: give it neither --column nor --key"
            )
        return PEERS
    if not (columns and key):
        raise UsageError("a table has columns and a key: give --column NAME:TYPE and --key NAME")
    try:
        return made(name, tuple(_column(each) for each in columns), tuple(key), rule)
    except ValueError as exc:
        raise UsageError(f"table {printable(name[:80])}: {exc}") from exc


def _column(text: str) -> tuple[str, str]:
    name, colon, type_ = text.partition(":")
    if not colon:
        raise UsageError(
            f"{printable(text[:80])} is not a column: give NAME:TYPE, with TYPE {', '.join(Type)}"
        )
    return name, type_


def _given(definition: Definition, values: Sequence[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for each in values:
        column, sign, text = each.partition("=")
        if not sign:
            raise UsageError(f"{printable(each[:80])} is not a value: give COLUMN=VALUE")
        if column in found:
            raise UsageError(f"column {printable(column[:80])} is given twice")
        found[column] = definition.value(column, text)
    return found


def _writing(reader: Reader) -> str:
    """Who writes: XFERZONE_USER, else the login by which a clone syncs with its origin, else who runs this."""
    origin = next((each for each in remotes(reader) if each.name == ORIGIN), None)
    if "XFERZONE_USER" in os.environ or origin is None:
        return own_login()
    _, login, _ = credentials(origin.url)
    return login or own_login()


def _check_takes(reader: Reader) -> None:
    if reader.role == schema.MIRROR:
        raise Refused(f"this is a mirror{origin_of(reader, ' of ')}: change tables there")


def _columns(definition: Definition) -> str:
    return " ".join(f"{name}:{type_}{'*' * (name in definition.key)}" for name, type_ in definition.columns)


def _text(value: Value) -> str:
    """A value as people see it; - where there is none."""
    if value is None:
        return "-"
    return printable(value if isinstance(value, str) else encode(value).decode())


def _as_json(found: Table) -> dict[str, object]:
    definition = found.definition
    return {
        "name": found.name,
        "columns": [{"name": name, "type": str(type_)} for name, type_ in definition.columns],
        "key": list(definition.key),
        "rule": str(definition.rule),
        "changed_at": iso(found.mtime),
    }


def _row_as_json(row: Row, values: dict[str, Value]) -> dict[str, object]:
    given = {name: value for name, value in values.items() if value is not None}
    return {"values": given, "owner": row.owner, "changed_at": iso(row.mtime)}
