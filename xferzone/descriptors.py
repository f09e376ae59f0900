"""How many files and connections a process may have open: getrlimit(2), RLIMIT_NOFILE."""

import contextlib
import resource


def allowed(wanted: int) -> int:
    """How many this process may have, after it has asked for `wanted` as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return wanted if soft == resource.RLIM_INFINITY else soft
