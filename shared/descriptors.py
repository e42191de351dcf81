"""How many files and connections a process may have open at once."""

from __future__ import annotations

import resource

#: What a process asks the system for; macOS gives 256 to who does not ask, Linux 1,024.
_WANTED = 10_240


def descriptors() -> int:
    """Their number, after asking for enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _WANTED
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
