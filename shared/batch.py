"""Work through many requests on one run, keeping each answer the moment it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Generic, Protocol, TypeVar

from shared.ask import Answer
from shared.crew import side_by_side
from shared.errors import EngineFailed, ExecutionError, InvalidInput, Problem
from shared.kinds.contract import Context
from shared.loopback import Check
from shared.runtimes import Endpoint
from shared.told import amount, count

_LOG_SECONDS = 10.0


class Numbered(Protocol):
    """A piece of work, by its place among all of them."""

    @property
    def index(self) -> int: ...


Piece = TypeVar("Piece", bound=Numbered)


@dataclass
class Tally:
    """Counts over finished items."""

    succeeded: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: Of the prompts' tokens, those that the engine still knew.
    cached_tokens: int = 0
    #: Seconds of recordings.
    audio: float = 0.0

    @property
    def items(self) -> int:
        return self.succeeded + self.failed

    def add(self, data: Mapping[str, Any]) -> None:
        """Count one item by its checkpoint."""
        if "error" in data:
            self.failed += 1
            return
        usage = data.get("usage") or {}
        self.succeeded += 1
        self.prompt_tokens += count(usage.get("prompt_tokens"))
        self.completion_tokens += count(usage.get("completion_tokens"))
        self.cached_tokens += count((usage.get("prompt_tokens_details") or {}).get("cached_tokens"))
        self.audio += amount(usage.get("seconds")) or 0.0

    def pace(self, seconds: float) -> str:
        """What was done of it in so much time, in words."""
        if self.audio:
            return f"{self.audio / seconds:.1f} seconds of audio a second"
        return f"{self.completion_tokens / seconds:.1f} tokens/s"


class Batch(Generic[Piece]):
    """One attempt at `total` pieces: it does what earlier attempts left, `context.slots` at a time, each by `ask`."""

    def __init__(self, context: Context, endpoint: Endpoint, total: int, ask: Callable[[Piece, Check], Answer]) -> None:
        self._context = context
        self._endpoint = endpoint
        self._total = total
        self._ask = ask
        self._done_before = frozenset(context.items.done)
        #: Of all attempts, and of this one.
        self.tally, self.mine = Tally(), Tally()
        for data in context.items.done.values():
            self.tally.add(data)
        #: Failures that another attempt might mend; they become final only once something else succeeded.
        self._held: list[Answer] = []
        self._started = self._logged = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since this attempt began."""
        return time.monotonic() - self._started

    def run(self, items: Iterable[Piece]) -> None:
        """Do every item that is not done yet.

        Raises RunDied when the run goes away (what is done stays done), Cancelled, LeaseLost, and InvalidInput or
        EngineFailed when not one item succeeded.
        """
        left = (item for item in items if item.index not in self._done_before)
        width = min(self._context.slots, self._total - len(self._done_before))
        for answer in side_by_side(left, self._ask, width, self._context.raise_if_cancelled, self._room):
            self._take(answer)
            self._tell()
        if self.tally.failed and not self.tally.succeeded:
            raise self._all_failed()
        for answer in self._held:
            self._context.items.put(answer.index, answer.data)
        self._context.items.flush()

    def write(self, file: IO[bytes]) -> None:
        """The result file: one JSON line per item, in input order."""
        for index, data in sorted(self._context.items.done.items()):
            file.write(json.dumps({"index": index} | data, ensure_ascii=False).encode() + b"\n")

    def _room(self) -> int:
        """Requests to have in flight now: people who wait for answers of the same run go first."""
        return max(1, self._endpoint.slots - self._context.attended)

    def _take(self, answer: Answer) -> None:
        self.tally.add(answer.data)
        self.mine.add(answer.data)
        if answer.retryable:
            self._held.append(answer)
        else:
            self._context.items.put(answer.index, answer.data)

    def _tell(self) -> None:
        seconds = self.seconds
        self._context.progress(self.tally.items, self._total, "items", self.mine.items / seconds)
        if time.monotonic() - self._logged > _LOG_SECONDS:
            self._logged = time.monotonic()
            self._context.log(f"{self.tally.items} of {self._total} items, {self.mine.pace(seconds)}")

    def _all_failed(self) -> ExecutionError:
        done = self._context.items.done
        data = self._held[0].data if self._held else done[min(done)]
        problem = Problem.model_validate(data["error"])
        raised = EngineFailed if self._held else InvalidInput
        return raised(f"All {self.tally.failed} requests failed", problem.sentence(), problem.fix)
