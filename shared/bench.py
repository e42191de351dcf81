"""Take the samples of a benchmark, cell by cell: load a model on a runtime, warm it up, measure, unload it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.completions import complete, stream
from shared.errors import BadRequest, EngineFailed, InvalidInput, NotFound, Problem, RunDied, revive
from shared.kinds.contract import Context
from shared.measure import sample
from shared.prompts import BenchmarkPrompt, Scale, filler, unlike
from shared.protocol import Acquired
from shared.requests import CHAT, EngineRequest, Work
from shared.runtimes import Endpoint, RunSpec

#: What ends a cell but not the benchmark: it cannot be loaded, or its run died or failed at the warm-up.
_CELL_ERRORS = (RunDied, EngineFailed, InvalidInput, BadRequest, NotFound)
#: Words of the two texts that tell how many tokens an engine makes of a word.
_SHORT_TEXT, _LONG_TEXT = 100, 300


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is done in every cell alike."""

    prompts: Sequence[BenchmarkPrompt]
    runs: int
    warmup: int
    max_tokens: int
    temperature: float
    ignore_eos: bool
    timeout: float
    spec: RunSpec

    @property
    def samples(self) -> int:
        """Of one cell."""
        return len(self.prompts) * self.runs

    def request(self, text: str, max_tokens: int | None = None) -> EngineRequest:
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": unlike(text)}],
            "max_tokens": max_tokens or self.max_tokens,
            "temperature": self.temperature,
        }
        return EngineRequest(CHAT, body | ({"ignore_eos": True} if self.ignore_eos else {}))


class Bench:
    """One attempt at all cells, (model, runtime) each; it takes the samples that earlier attempts lack.

    Checkpoints are the samples, numbered cell by cell and run by run, and after them one record for each cell that is
    through, with its load seconds and peak bytes.
    """

    def __init__(self, context: Context, protocol: Protocol, cells: Sequence[tuple[str, str]]) -> None:
        self._context = context
        self._protocol = protocol
        self._cells = cells
        #: Why cells could not be measured, by number; another attempt tries them again.
        self.failures: dict[int, Problem] = {}

    def run(self) -> None:
        """Measure all cells. Raises the first cell's error when nothing at all could be measured."""
        first: Exception | None = None
        for number in range(len(self._cells)):
            if self.facts(number):
                continue
            try:
                self._cell(number)
            except _CELL_ERRORS as error:
                first = first or error
                self.failures[number] = error.problem
                self._context.log(f"{' on '.join(self._cells[number])}: {error}")
        self._context.items.flush()
        if first is not None and not any(
            "error" not in one for n in range(len(self._cells)) for one in self.samples(n)
        ):
            raise first

    def samples(self, number: int) -> list[dict[str, Any]]:
        """What has been measured of a cell, in the order it was planned."""
        done, start = self._context.items.done, number * self._protocol.samples
        return [done[index] for index in range(start, start + self._protocol.samples) if index in done]

    def facts(self, number: int) -> dict[str, Any] | None:
        """Load seconds and peak bytes of a cell that is through; `None` for others."""
        facts: dict[str, Any] | None = self._context.items.done.get(self._facts_index(number))
        return facts

    def _facts_index(self, number: int) -> int:
        return len(self._cells) * self._protocol.samples + number

    def _cell(self, number: int) -> None:
        model, runtime = self._cells[number]
        self._context.phase(f"loading {model} on {runtime}")
        run = self._context.acquire(model, runtime, self._protocol.spec)
        try:
            endpoint = _endpoint(run)
            self._context.phase(f"warming up {model} on {runtime}")
            scale = self._warm_up(endpoint)
            self._context.phase(f"measuring {model} on {runtime}")
            for index, prompt, turn in self._left(number):
                self._take(endpoint, index, prompt, turn, scale)
        finally:
            released = self._context.release(run)
        facts = {"load_seconds": run.load_seconds, "peak_bytes": released.peak or run.peak}
        self._context.items.put(self._facts_index(number), facts)

    def _left(self, number: int) -> Iterator[tuple[int, BenchmarkPrompt, int]]:
        """The samples that are still to take: every prompt once, then all again, so that drift hits all alike."""
        index = number * self._protocol.samples
        for turn in range(self._protocol.runs):
            for prompt in self._protocol.prompts:
                if index not in self._context.items.done:
                    yield index, prompt, turn
                index += 1

    def _warm_up(self, endpoint: Endpoint) -> Scale:
        prompts = self._protocol.prompts
        scale = self._scale(endpoint) if any(prompt.fill for prompt in prompts) else Scale()
        for turn in range(self._protocol.warmup):
            self._ask(endpoint, _text(prompts[turn % len(prompts)], scale))
        return scale

    def _scale(self, endpoint: Endpoint) -> Scale:
        """Count what the engine makes of two texts whose words we know."""
        counted: list[tuple[int, int]] = []
        for words in (_SHORT_TEXT, _LONG_TEXT):
            request = self._protocol.request(filler(words), max_tokens=1)
            check = self._context.raise_if_cancelled
            completion = complete(endpoint, request, timeout=self._protocol.timeout, check=check)
            counted.append((words, completion.usage.get("prompt_tokens") or 0))
        return Scale.between(*counted) if all(tokens for _, tokens in counted) else Scale()

    def _take(self, endpoint: Endpoint, index: int, prompt: BenchmarkPrompt, turn: int, scale: Scale) -> None:
        head = {"prompt": prompt.name, "run": turn, "attempt": self._context.attempt}
        if prompt.fill:
            head["requested_tokens"] = prompt.fill
        try:
            taken = head | self._ask(endpoint, _text(prompt, scale))
        except (EngineFailed, InvalidInput) as error:
            taken = head | {"error": error.problem.model_dump(mode="json", exclude_defaults=True)}
        self._context.items.put(index, taken)
        through = sum(len(self.samples(number)) for number in range(len(self._cells)))
        self._context.progress(through, len(self._cells) * self._protocol.samples, "samples")

    def _ask(self, endpoint: Endpoint, text: str) -> dict[str, Any]:
        completion = stream(
            endpoint,
            self._protocol.request(text),
            _listen,
            timeout=self._protocol.timeout,
            check=self._context.raise_if_cancelled,
            work=Work.BENCHMARK,
        )
        return sample(completion, self._protocol.max_tokens)


def _text(prompt: BenchmarkPrompt, scale: Scale) -> str:
    return filler(scale.words(prompt.fill)) if prompt.fill else prompt.text


def _endpoint(run: Acquired) -> Endpoint:
    if run.endpoint is not None:
        return run.endpoint
    if run.error is not None:
        raise revive(run.error)
    raise RunDied("The run was not loaded", f"it is {run.state}", "see the run's log")


def _listen(_: str) -> None:
    """The words of a benchmark are of no interest."""
