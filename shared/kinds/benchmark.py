"""Benchmark: how fast models load, read and write on the runtimes of one host that does nothing else."""

from __future__ import annotations

import difflib
import json
import time
from itertools import product
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.bench import Bench, Protocol
from shared.errors import InvalidParameters
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.measure import sum_up
from shared.prompts import PROMPTS, BenchmarkPrompt
from shared.runtimes import MOST_CONTEXT, RunSpec
from shared.vocabulary import Capability

#: Changes whenever figures stop being comparable with older ones.
REVISION = 1
#: Tokens that a filled prompt may come out longer than asked, and the chat template.
_FILL_MARGIN = 256


class Cell(BaseModel):
    """One column of the comparison."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    runtime: str


class InlinePrompt(BaseModel):
    """A prompt of the user's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    text: str = Field(min_length=1)


class Benchmark(Kind):
    """Models × runtimes × prompts, one request at a time, on a host that is reserved for it."""

    name: ClassVar[str] = "benchmark"
    about: ClassVar[str] = "Load time, time to first token, decode and prefill speed of models on runtimes."

    models: tuple[str, ...] = Field(min_length=1, max_length=32, description="Names or references of models.")
    runtimes: tuple[str, ...] | None = Field(
        None, min_length=1, description="Runtimes to compare; default: each that can, model by model."
    )
    cells: tuple[Cell, ...] | None = Field(
        None, min_length=1, description="Exactly these pairs in place of models × runtimes."
    )
    prompts: tuple[str | InlinePrompt, ...] = Field(
        tuple(PROMPTS), description=f"Built-in prompts by name ({', '.join(PROMPTS)}), or your own."
    )
    fills: tuple[Annotated[int, Field(ge=64, le=1_000_000)], ...] = Field(
        (), description="Also measure prompts of about so many tokens."
    )
    runs: int = Field(3, ge=1, le=100, description="Samples of each prompt.")
    warmup: int = Field(1, ge=0, le=10, description="Requests before the first sample, not measured.")
    max_tokens: int = Field(128, ge=2, le=32_768, description="Tokens to write in each sample.")
    temperature: float = Field(0.0, ge=0, le=2)
    ignore_eos: bool = Field(default=True, description="Write max_tokens to the end, where an engine can.")
    context: int | None = Field(None, ge=16, le=MOST_CONTEXT, description="Tokens of context to load with.")
    slots: int | None = Field(None, ge=1, le=1024, description="Slots to load with.")
    host: str | None = Field(None, description="Only this host; default: any that fits.")
    timeout: float = Field(600.0, gt=0, le=86_400, description="Seconds that one request may take.")

    @field_validator("prompts")
    @classmethod
    def _known(cls, prompts: tuple[str | InlinePrompt, ...]) -> tuple[str | InlinePrompt, ...]:
        for prompt in prompts:
            if isinstance(prompt, str) and prompt not in PROMPTS:
                near = difflib.get_close_matches(prompt, PROMPTS, 1)
                hint = f"did you mean {near[0]!r}?" if near else "give your own as {name, text}"
                raise ValueError(f"there is no built-in prompt {prompt!r} ({', '.join(PROMPTS)}); {hint}")
        return prompts

    @model_validator(mode="after")
    def _has_prompts(self) -> Self:
        names = [prompt.name for prompt in self._prompts()]
        if not names:
            raise ValueError("there is nothing to ask: give prompts or fills")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"prompts need names of their own; given more than once: {', '.join(sorted(twice))}")
        return self

    def settle(self, catalog: Catalog) -> Self:
        """Name the pairs to measure, so that the stored job says what was compared."""
        if self.cells is not None:
            return self
        return self.model_copy(update={"cells": tuple(self._pairs(catalog))})

    def demand(self, catalog: Catalog) -> Demand:
        """A host of its own, on which it loads each pair in turn."""
        cells = self.settle(catalog).cells or ()
        return Demand(
            capability=Capability.GENERATE,
            host=self.host,
            spec=self._spec(),
            exclusive=True,
            acquires=tuple((cell.model, cell.runtime) for cell in cells),
        )

    def run(self, context: Context) -> Result:
        """Measure what earlier attempts have not, then sum up all samples."""
        started = time.monotonic()
        cells = self.cells or self._product()
        if not cells:
            raise InvalidParameters("The benchmark names no runtimes", "it was never settled", "submit it again")
        bench = Bench(context, self._protocol(), [(cell.model, cell.runtime) for cell in cells])
        bench.run()
        columns = [self._column(bench, number, cell) for number, cell in enumerate(cells)]
        samples = [
            {"model": cell.model, "runtime": cell.runtime} | one
            for number, cell in enumerate(cells)
            for one in bench.samples(number)
        ]
        protocol = {"revision": REVISION} | self.model_dump(mode="json", exclude={"cells", "models", "runtimes"})
        report = {"protocol": protocol, "cells": columns, "samples": samples}
        content = json.dumps(report, ensure_ascii=False, indent=1).encode()
        file = context.files.create(f"{context.job_id}.benchmark.json", content, "application/json")
        seconds = round(time.monotonic() - started, 3)
        return Result(data={"cells": columns, "samples_file": file, "seconds": seconds, "revision": REVISION})

    def _pairs(self, catalog: Catalog) -> list[Cell]:
        pairs = self._product()
        for model in () if pairs else self.models:
            able = catalog.runtimes(model, Capability.GENERATE)
            if not able:
                raise InvalidParameters(
                    f"No runtime of the fleet can generate with {model}",
                    "none that is installed loads its format",
                    "install a runtime for it on a host, or leave the model out",
                    model=model,
                )
            pairs += [Cell(model=model, runtime=runtime) for runtime in able]
        return pairs

    def _product(self) -> list[Cell]:
        return [Cell(model=one, runtime=other) for one, other in product(self.models, self.runtimes or ())]

    def _prompts(self) -> list[BenchmarkPrompt]:
        named = [
            BenchmarkPrompt(prompt, PROMPTS[prompt])
            if isinstance(prompt, str)
            else BenchmarkPrompt(prompt.name, prompt.text)
            for prompt in self.prompts
        ]
        filled = [BenchmarkPrompt(f"fill-{tokens}", "", tokens) for tokens in self.fills]
        return [*named, *filled]

    def _protocol(self) -> Protocol:
        return Protocol(
            prompts=self._prompts(),
            runs=self.runs,
            warmup=self.warmup,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            ignore_eos=self.ignore_eos,
            timeout=self.timeout,
            spec=self._spec(),
        )

    def _spec(self) -> RunSpec:
        """Filled prompts need room, whatever the runtime's default is."""
        context = self.context
        if context is None and self.fills:
            context = max(self.fills) + self.max_tokens + _FILL_MARGIN
        return RunSpec(context=context, slots=self.slots)

    def _column(self, bench: Bench, number: int, cell: Cell) -> dict[str, Any]:
        failure = bench.failures.get(number)
        verdict = {"state": "failed", "error": failure.model_dump(mode="json")} if failure else {"state": "measured"}
        facts = bench.facts(number) or {"load_seconds": None, "peak_bytes": None}
        return cell.model_dump() | verdict | facts | sum_up(bench.samples(number))
