"""Zone texts as people leave them: edited, broken and mended. Pure; what is drawn comes from the generator given.

edited    one change that keeps a valid zone valid: a record set, added, deleted, written by hand, a serial
broken    one change after which it cannot be served, marked so that `mended` finds it
mended    broken lines gone, both sides of a conflicting merge kept, one SOA, one CNAME an owner
"""

import random
import re

_BROKEN = "; broken"
_SOA = "@ 3600 SOA ns1.example.info. hostmaster.example.info. 1 7200 3600 1209600 300"
_NS = "@ 3600 NS ns1.example.info."
CONFLICT = re.compile(r"(<{7}|={7}|>{7}|\|{7}|#{7}) ")
_NAMES = 40  # owners h0 .. h39 and aliases c0 .. c39


def edited(text: str, rng: random.Random, apex: bool = True) -> str:
    """A valid zone's text after one change of somebody who edits it by hand."""
    lines = mended(text, apex).splitlines()
    owner, alias, number = f"h{rng.randrange(_NAMES)}", f"c{rng.randrange(_NAMES)}", rng.randrange(1, 255)
    hosts = [line for line in lines if re.match(r"h\d+\s", line)]
    kind = rng.choices(("set", "by hand", "alias", "delete", "serial", "comment"), (10, 3, 2, 3, 1, 1))[0]
    if kind == "set":
        lines = [line for line in lines if not line.startswith(f"{owner} ")]
        _insert(lines, f"{owner} {rng.choice((60, 300, 3600))} A 192.0.2.{number}")
    elif kind == "by hand":
        lines.append(f'{owner}\t600 IN TXT ( "by hand" "{number}" )   ; {owner}')
    elif kind == "alias":
        lines = [line for line in lines if not line.startswith(f"{alias} ")]
        _insert(lines, f"{alias} 300 CNAME {owner}")
    elif kind == "delete" and hosts:
        lines.remove(rng.choice(hosts))
    elif kind == "serial":
        lines = [re.sub(r"(SOA \S+ \S+) \d+", rf"\1 {rng.randrange(1, 1_000_000)}", line) for line in lines]
    else:
        lines.insert(rng.randrange(2 if apex else 0, len(lines) + 1), f"; note {rng.randrange(1_000_000)}")
    return "".join(f"{line}\n" for line in lines)


def broken(text: str, rng: random.Random, apex: bool = True) -> str:
    """The text of a zone that must not be served."""
    lines = mended(text, apex).splitlines()
    kind = rng.choice(("address", "cname", "outside", "no soa", "include"))
    if kind == "no soa":
        return "".join(f"{line}\n" for line in lines if " SOA " not in line)
    added = {
        "address": f"h{rng.randrange(_NAMES)} 300 A 192.0.2.999 {_BROKEN}",
        "cname": f"www 300 CNAME mail {_BROKEN}",
        "outside": f"www.example.edu. 300 A 192.0.2.9 {_BROKEN}",
        "include": f"$INCLUDE /etc/passwd {_BROKEN}",
    }[kind]
    return "".join(f"{line}\n" for line in [*lines, added])


def mended(text: str, apex: bool = True) -> str:
    """The text as somebody leaves it who put right what was wrong with it."""
    kept, seen = [], set[str]()
    for line in text.splitlines():
        once = "SOA" if " SOA " in line else line.split()[0] if " CNAME " in line else None
        if _BROKEN in line or CONFLICT.match(line) or once in seen:
            continue
        if once is not None:
            seen.add(once)
        kept.append(line)
    if not apex:
        return "".join(f"{line}\n" for line in kept)
    if "SOA" not in seen:
        kept.insert(0, _SOA)
    if not any(" NS " in line for line in kept):
        kept.insert(1, _NS)
    if not any(re.match(r"www \d+ A ", line) for line in kept):
        kept.append("www 300 A 192.0.2.80")
    if not any(line.startswith("$TTL ") for line in kept):
        kept.insert(0, "$TTL 3600")
    return "".join(f"{line}\n" for line in kept)


def large(records: int) -> str:
    """A zone's text with that many records more, of 90 bytes each."""
    return mended("") + "".join(f'r{number:05} 300 TXT "{number:070}"\n' for number in range(records))


def _insert(lines: list[str], new: str) -> None:
    """Put the line where the canonical form has it, more or less; comments stay where they are."""
    place = next((at for at, line in enumerate(lines) if line[:1].isalpha() and line > new), len(lines))
    lines.insert(place, new)
