"""How often a test kills: a few times in `make test`, as often as $KILLS says in `make soak`.

KILLS=25 python -m pytest tests/robust/test_care_kills.py
"""

import os


def kills(few: int) -> int:
    """`few`, unless the environment has another number."""
    return int(os.environ.get("KILLS", few))
