"""Ask a run one item of a batch, and keep what came of it as data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from shared.completions import Completion, complete
from shared.errors import EngineFailed, InvalidInput
from shared.loopback import Check
from shared.requests import EngineRequest, read_line
from shared.runtimes import Endpoint

#: How often an item is asked when the engine fails at it, and the pause before the second time, in seconds.
_TRIES, _PAUSE = 3, 0.2


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch, or why its line could not be read as one."""

    index: int
    request: EngineRequest | str
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one item: `data` is its checkpoint and, with its index, its line of the result file.

    `data` has `custom_id`, `attempt`, `seconds`, and either `response` with `usage` or `error` (a Problem).
    """

    index: int
    data: dict[str, Any]
    #: May another attempt succeed where this one failed?
    retryable: bool = False


def read_items(lines: IO[bytes], defaults: Mapping[str, Any]) -> Iterator[BatchItem]:
    """The requests of a JSONL file, numbered by the lines that are not blank."""
    for index, line in enumerate(line for line in lines if line.strip()):
        try:
            request = read_line(line, defaults)
        except ValueError as error:
            yield BatchItem(index, str(error))
        else:
            yield BatchItem(index, request, request.custom_id)


def ask(endpoint: Endpoint, item: BatchItem, timeout: float, attempt: int, check: Check) -> Answer:
    """Ask one item, again when the engine fails at it; an error that is only this item's becomes its answer.

    Raises what ends the whole batch: RunDied when the run is gone, and whatever `check` raises.
    """
    started = time.perf_counter()
    head = {"custom_id": item.custom_id, "attempt": attempt}
    try:
        if isinstance(item.request, str):
            raise InvalidInput("The request cannot be read", item.request, "correct its line of the file")
        completion = _persist(endpoint, item.request, timeout, check)
    except (EngineFailed, InvalidInput) as error:
        problem = error.problem.model_dump(mode="json", exclude_defaults=True)
        data = head | {"error": problem, "seconds": round(time.perf_counter() - started, 6)}
        return Answer(item.index, data, error.retryable)
    seconds = round(completion.seconds, 6)
    data = head | {"response": completion.response, "usage": completion.usage, "seconds": seconds}
    return Answer(item.index, data)


def _persist(endpoint: Endpoint, request: EngineRequest, timeout: float, check: Check) -> Completion:
    """Ask until it works, `_TRIES` times: engines answer 5xx while they are crowded, too."""
    for tried in range(1, _TRIES):
        try:
            return complete(endpoint, request, timeout=timeout, check=check)
        except EngineFailed as error:
            # A request that took its whole time would only take it again.
            if "timeout" in error.problem.details:
                raise
        _pause(_PAUSE * 2 ** (tried - 1), check)
    return complete(endpoint, request, timeout=timeout, check=check)


def _pause(seconds: float, check: Check) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.05))
