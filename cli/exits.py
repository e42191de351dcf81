"""Exit codes, the same for every command.

| code | means |
|---|---|
| 0 | done |
| 1 | the job failed, or something went wrong that no other code names |
| 2 | the command, an option or a setting is wrong |
| 3 | the front door, or a part it needs, cannot be reached |
| 4 | the API key is missing, unknown or may not do this |
| 5 | there is no such thing |
| 6 | it took longer than `--timeout` |
| 7 | the job was cancelled |
| 8 | refused: it can never fit, there is no capacity, or its state does not allow it |
| 130 | interrupted by Ctrl-C |
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    AUTH = 4
    NOT_FOUND = 5
    TIMEOUT = 6
    CANCELLED = 7
    REJECTED = 8
    INTERRUPTED = 130


_BY_STATE = {"succeeded": Exit.OK, "failed": Exit.FAILED, "cancelled": Exit.CANCELLED}


def exit_of_job(state: str) -> Exit:
    """The exit code of a command that waited for a job; `state` is final."""
    return _BY_STATE[state]
