"""2,000 chats as one OpenAI batch over two hosts, one killed half-way and the front door restarted once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.batches import chat, file_lines, survive, upload
from tests.load.figure import Figure
from tests.stack import running

_TOTAL = 2000
#: Milliseconds that the scripted engine takes for an answer.
_ANSWER = 400


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), hosts=("alpha", "beta")) as stack:
        lines = [chat(f"line-{n}", f"word {n}", echo={"latency_ms": _ANSWER}) for n in range(_TOTAL)]
        batch = survive(stack, upload(stack, lines), _TOTAL)
        said = file_lines(stack, batch["output_file_id"])
        seconds = batch["completed_at"] - batch["in_progress_at"]
    yield Figure("lines of the output file", len(said), "lines", _TOTAL)
    yield Figure("custom ids in it", len({line["custom_id"] for line in said}), "ids", _TOTAL)
    yield Figure("from the first job to the output file", seconds, "s", note="a host killed, the front door restarted")
