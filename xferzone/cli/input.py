"""What the verbs read: words that may look like options, files, and standard input."""

import sys
from pathlib import Path

import click

from xferzone.errors import Fault, XferzoneError, ZoneInvalid
from xferzone.zonefile import foreign

MAX_INPUT = 64 * 1024 * 1024  # bytes of one file or of stdin, as xferzone/zonefile/text.py reads them


class WordsCommand(click.Command):
    """A verb whose arguments may look like options: `TXT v=spf1 -all`, `TXT -from`.

    A word is an option only if it is one of the verb's, written in full; all behind `--` is data.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {
            name: parameter
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option)
            for name in parameter.opts
        }
        options: list[str] = []
        words: list[str] = []
        left = iter(args)
        for word in left:
            name, is_joined, _ = word.partition("=")
            option = known.get(name if is_joined and word.startswith("--") else word)
            if word == "--":
                words += left
            elif option is None:
                words.append(word)
            elif option.is_flag or name != word:
                options.append(word)
            elif (value := next(left, None)) is None:
                raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.", ctx)
            else:
                options += [word, value]
        return super().parse_args(ctx, [*options, "--", *words])


def hinting(hint: str) -> type[click.Command]:
    """A verb that says `hint` to a word or an option too many: how this verb takes what people probably meant."""

    class Hinting(click.Command):
        def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
            try:
                return super().parse_args(ctx, args)
            except click.UsageError as exc:
                if type(exc) not in (click.UsageError, click.NoSuchOption):  # the others name their remedy
                    raise
                raise click.UsageError(f"{exc.message.removesuffix('.')}: {hint}", ctx) from exc

    return Hinting


def read_input(file: str, hint: str = "") -> bytes:
    """The bytes of a file, or of stdin for "-". `hint`: what to say if there is no such file.

    Raises:
        XferzoneError: it cannot be read, or is larger than MAX_INPUT.
        ZoneInvalid: it is UTF-16 or UTF-32, or begins with a byte order mark.
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MAX_INPUT + 1)
    except OSError as exc:
        meant = f": {hint}" if hint and isinstance(exc, FileNotFoundError) else ""
        raise XferzoneError(f"{source(file)} cannot be read: {exc.strerror}{meant}") from exc
    if len(content) > MAX_INPUT:
        raise XferzoneError(f"{source(file)} is over {MAX_INPUT} bytes: split the zone")
    if reason := foreign.encoding(content):
        raise ZoneInvalid([Fault(source(file), 1, reason)])
    return content


def source(file: str) -> str:
    """What a file argument is called in messages."""
    return "standard input" if file == "-" else file
