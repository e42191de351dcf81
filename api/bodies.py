"""Bodies are counted as they come: their bytes, and the values in them that would become objects of ours.

Two bytes of JSON, `[]`, become sixty of memory; 64 MiB of them would take gigabytes, and the one loop for many seconds.
"""

from __future__ import annotations

from starlette.types import Message, Receive

from shared.errors import PayloadTooLarge
from shared.files import too_large
from shared.units import Bytes

#: What a multipart form takes beside the file in it.
FORM = 64 * 1024
#: Lists, objects and the commas in them: a text of a million tokens or a batch of 100,000 requests has less; reading so
#: many takes a second and 200 MiB at most.
MOST_VALUES = 2_000_000
_MARKS = (b",", b"[", b"{")


def counted(receive: Receive, limit: Bytes, *, values: bool) -> Receive:
    """The same, until there is too much of it: then PayloadTooLarge is raised. `values`: they are counted, too."""
    taken = found = 0

    async def counting() -> Message:
        nonlocal taken, found
        message = await receive()
        body = message.get("body", b"")
        taken += len(body)
        if taken > limit + FORM:
            raise too_large(limit)
        if values:
            found += sum(body.count(mark) for mark in _MARKS)
            if found > MOST_VALUES:
                raise PayloadTooLarge(
                    "The body holds too many values",
                    f"it has more than {MOST_VALUES:,} lists, objects and commas",
                    "split it, or send it as a file",
                    limit=MOST_VALUES,
                )
        return message

    return counting
