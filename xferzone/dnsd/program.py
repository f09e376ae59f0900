"""How an answerer or the agent is started as a program of its own.

python -m xferzone.dnsd.answerer --repository FILE --listen ADDRESS [ADDRESS...]

exit status    0 after SIGTERM or SIGINT, else that of the error, which goes to stderr
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from xferzone.config import Address, parse_address
from xferzone.errors import UsageError, XferzoneError
from xferzone.logline import to_stderr


def arguments(purpose: str) -> argparse.Namespace:
    """The command line: `repository`, a Path, and `listen`, a list of texts."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--repository", type=Path, required=True, metavar="FILE")
    parser.add_argument("--listen", nargs="+", action="extend", required=True, metavar="ADDRESS:PORT")
    return parser.parse_args()


def run(main: Callable[[Path, Sequence[Address]], None], options: argparse.Namespace) -> int:
    """Run `main` and give the exit status."""
    to_stderr()
    try:
        listen = [parse_address(text) for text in options.listen]
    except ValueError as exc:
        print(f"--listen: {exc}", file=sys.stderr)
        return UsageError.exit_code
    try:
        main(options.repository, listen)
    except XferzoneError as exc:
        print(exc, file=sys.stderr)
        return exc.exit_code
    return 0
