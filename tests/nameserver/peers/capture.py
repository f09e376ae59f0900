"""Write down what NSD, Knot and BIND say to the questions of cases.py: see README.md.

answers.jsonl.xz holds one line for each question:

    [name, type, {"nsd": ANSWER, "knot": ANSWER, "bind": ANSWER}]
    ANSWER    [rcode, AA or not, answer, authority, additional]; each section a sorted list of records
"""

import contextlib
import json
import lzma
import tempfile
from pathlib import Path

from tests.nameserver.made import question, said
from tests.nameserver.peers.asking import Udp
from tests.nameserver.peers.cases import NAMES, TYPES
from tests.nameserver.peers.programs import HERE, running


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(Path(scratch)) as ports,
        lzma.open(HERE / "answers.jsonl.xz", "wt") as file,
        contextlib.ExitStack() as stack,
    ):
        ways = {server: stack.enter_context(Udp(port)) for server, port in ports.items()}
        for name in NAMES:
            for rdtype in TYPES:
                answers = {server: _captured(way, name, rdtype) for server, way in ways.items()}
                file.write(json.dumps([name, rdtype, answers]) + "\n")


def _captured(way: Udp, name: str, rdtype: str) -> list[object]:
    answer = said(way.ask(question(name, rdtype)))
    sections = (answer.answer, answer.authority, answer.additional)
    return [answer.rcode, answer.authoritative, *map(sorted, sections)]


if __name__ == "__main__":
    main()
