"""Ask a run one item of a batch, and keep what came of it as data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from shared.completions import Completion, complete
from shared.errors import EngineFailed, InvalidInput, NotFound
from shared.loopback import Check
from shared.opening import Opening
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


class Said(Protocol):
    """What an engine said to one item."""

    @property
    def response(self) -> dict[str, Any]: ...

    @property
    def usage(self) -> dict[str, Any]: ...

    @property
    def seconds(self) -> float: ...


def read_items(lines: IO[bytes], defaults: Mapping[str, Any], opening: Opening | None = None) -> Iterator[BatchItem]:
    """The requests of a JSONL file, numbered by the lines that are not blank."""
    for index, line in enumerate(line for line in lines if line.strip()):
        try:
            request = read_line(line, defaults, opening)
        except ValueError as error:
            yield BatchItem(index, str(error))
        else:
            yield BatchItem(index, request, request.custom_id)


def ask(endpoint: Endpoint, item: BatchItem, timeout: float, attempt: int, check: Check) -> Answer:
    """Ask one item, again when the engine fails at it; an error that is only this item's becomes its answer.

    Raises what ends the whole batch: RunDied when the run is gone, and whatever `check` raises.
    """

    def completed() -> Completion:
        if isinstance(item.request, str):
            raise InvalidInput("The request cannot be read", item.request, "correct its line of the file")
        return complete(endpoint, item.request, timeout=timeout, check=check)

    return answered(item.index, {"custom_id": item.custom_id, "attempt": attempt}, completed, check)


def answered(index: int, head: dict[str, Any], say: Callable[[], Said], check: Check) -> Answer:
    """What `say` says, asked again when the engine fails at it, as the answer of one item; `head` goes before it."""
    started = time.perf_counter()
    try:
        said = _persist(say, check)
    except (EngineFailed, InvalidInput, NotFound) as error:
        problem = error.problem.model_dump(mode="json", exclude_defaults=True)
        data = head | {"error": problem, "seconds": round(time.perf_counter() - started, 6)}
        return Answer(index, data, error.retryable)
    return Answer(index, head | {"response": said.response, "usage": said.usage, "seconds": round(said.seconds, 6)})


def _persist(say: Callable[[], Said], check: Check) -> Said:
    """Ask until it works, `_TRIES` times: engines answer 5xx while they are crowded, too."""
    for tried in range(1, _TRIES):
        try:
            return say()
        except EngineFailed as error:
            # A request that took its whole time would only take it again.
            if "timeout" in error.problem.details:
                raise
        _pause(_PAUSE * 2 ** (tried - 1), check)
    return say()


def _pause(seconds: float, check: Check) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.05))
