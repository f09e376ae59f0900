"""Files of tests that take longest. They begin first: one that begins last leaves the other processors idle.

Each file is run by one worker (`--dist loadfile`), since its fixtures may be servers. Two of these, or a file that is
not here, may follow one another in any order.
"""

from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parent
#: Below `tests`; they take from 100 down to 7 seconds of processor time, or wait as long.
LONGEST: Final = (
    "simulation/test_simulation.py",
    "fuzz/test_fuzz.py",
    "robust/test_scan.py",
    "interop/test_secondaries.py",
    "robust/test_memory.py",
    "robust/test_dns_floods.py",
    "scale/test_many_zones.py",
    "interop/test_concurrent.py",
    "interop/test_tour.py",
    "sync/client/test_hostile.py",
    "interop/test_foreign.py",
    "scale/test_at_once.py",
    "interop/test_serving.py",
    "interop/test_meeting.py",
    "interop/test_reloads.py",
    "serve/test_signals.py",
    "nameserver/test_live_chance.py",
    "deploy/test_deploy.py",
    "interop/test_group_losses.py",
    "interop/test_story.py",
    "robust/test_mirror_kills.py",
    "interop/test_group_joint.py",
    "mutants/test_mutants.py",
    "store/test_migration_kills.py",
    "test_packaging.py",
)
_PLACES: Final = {TESTS / name: place for place, name in enumerate(LONGEST)}


def place(file: Path) -> int:
    """Where its tests stand: these files in their order, and behind them all others."""
    return _PLACES.get(file, len(LONGEST))
