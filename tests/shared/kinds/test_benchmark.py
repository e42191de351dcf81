"""The benchmark kind, against echo runs whose speed is known."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import Cancelled, InvalidParameters, RunDied
from shared.identifiers import new_id
from shared.kinds.benchmark import Benchmark, Cell
from shared.protocol import Acquired
from shared.runtimes import RunSpec
from shared.vocabulary import Capability
from tests.kinds import LocalCatalog, LocalContext, LocalItems
from tests.runs import running
from tests.waiting import soon
from workers.process import RunProcess

LATENCY, GAP = 0.200, 0.020


class Host:
    """Starts and stops echo runs as a benchmark asks, and remembers which."""

    def __init__(self, **script: Any) -> None:
        self._script = script
        self._stacks: dict[str, ExitStack] = {}
        self.acquired: list[tuple[str, str]] = []
        self.process: RunProcess | None = None

    def acquire(self, model: str, runtime: str, spec: RunSpec) -> Acquired:
        self.acquired.append((model, runtime))
        stack, started = ExitStack(), time.monotonic()
        script = self._script | ({"fail_load": "oom"} if model == "too-large" else {})
        self.process = stack.enter_context(running("echo", slots=spec.slots, **script))
        run = Acquired(
            run_id=new_id("run"),
            state="ready",
            generation=1,
            endpoint=self.process.endpoint,
            load_seconds=time.monotonic() - started,
        )
        self._stacks[run.run_id] = stack
        return run

    def release(self, run: Acquired) -> Acquired:
        assert self.process is not None
        usage = self.process.memory()
        self._stacks.pop(run.run_id).close()
        return run.model_copy(update={"state": "stopped", "peak": usage.peak if usage else None})

    @property
    def idle(self) -> bool:
        return not self._stacks

    def context(self, folder: Path, items: LocalItems | None = None, attempt: int = 1) -> LocalContext:
        return LocalContext(folder, items=items, attempt=attempt, acquire=self.acquire, release=self.release)


def benchmark(**fields: Any) -> Benchmark:
    short = {"models": ["echo"], "runtimes": ["echo"], "prompts": ["short"], "runs": 3, "max_tokens": 16}
    return Benchmark.model_validate(short | fields)


def test_it_measures_what_the_engine_really_does(tmp_path: Path) -> None:
    host = Host(latency_ms=LATENCY * 1000, itl_ms=GAP * 1000, tokens=16)
    data = benchmark(prompts=["short", "code"]).run(host.context(tmp_path)).data
    (cell,) = data["cells"]
    overall = cell["overall"]
    assert overall["ttft_seconds"]["median"] == pytest.approx(LATENCY, abs=soon(0.02))
    assert 15 / overall["decode_tokens_per_second"]["median"] == pytest.approx(15 * GAP, abs=soon(0.015))
    assert overall["seconds"]["median"] == pytest.approx(LATENCY + 15 * GAP, abs=soon(0.03))
    assert overall["ttft_seconds"]["n"] == cell["samples"] == 6
    assert overall["ttft_seconds"]["low"] <= overall["ttft_seconds"]["mean"] <= overall["ttft_seconds"]["high"]
    assert set(cell["prompts"]) == {"short", "code"}
    assert cell["load_seconds"] > 0
    assert cell["peak_bytes"] > 0
    assert cell["early_stops"] == 0
    assert host.idle


def test_every_sample_is_in_the_file(tmp_path: Path) -> None:
    context = Host(tokens=16).context(tmp_path)
    data = benchmark().run(context).data
    with context.files.open(data["samples_file"]) as file:
        report = json.load(file)
    assert [(one["model"], one["prompt"], one["run"]) for one in report["samples"]] == [
        ("echo", "short", n) for n in range(3)
    ]
    assert report["protocol"]["max_tokens"] == 16
    assert report["cells"] == data["cells"]


def test_an_answer_that_ends_early_is_flagged(tmp_path: Path) -> None:
    data = benchmark(runs=2).run(Host(tokens=8).context(tmp_path)).data
    assert data["cells"][0]["early_stops"] == 2


def test_one_run_has_no_interval(tmp_path: Path) -> None:
    data = benchmark(runs=1).run(Host(tokens=16).context(tmp_path)).data
    summary = data["cells"][0]["overall"]["ttft_seconds"]
    assert (summary["n"], summary["stddev"], summary["low"]) == (1, None, None)


def test_prompts_of_a_wanted_length_come_out_so(tmp_path: Path) -> None:
    context = Host(tokens=16).context(tmp_path)
    benchmark(prompts=[], fills=[256, 1024], runs=1).run(context)
    counted = [
        (one["requested_tokens"], one["prompt_tokens"]) for one in context.items.done.values() if "prompt" in one
    ]
    assert len(counted) == 2
    for requested, told in counted:
        assert told == pytest.approx(requested, rel=0.01)


def test_no_two_prompts_start_alike() -> None:
    protocol = benchmark()._protocol()
    starts = {protocol.request("same").body["messages"][0]["content"][:10] for _ in range(100)}
    assert len(starts) == 100


def test_a_model_that_cannot_be_loaded_does_not_stop_the_others(tmp_path: Path) -> None:
    data = benchmark(models=["too-large", "echo"]).run(Host(tokens=16).context(tmp_path)).data
    failed, measured = data["cells"]
    assert (failed["state"], failed["error"]["code"]) == ("failed", "out_of_memory")
    assert (measured["state"], measured["samples"]) == ("measured", 3)


def test_a_benchmark_that_measured_nothing_fails_with_the_cause(tmp_path: Path) -> None:
    context = Host().context(tmp_path)
    with pytest.raises(RunDied) as died:
        benchmark(models=["too-large"]).run(context)
    assert died.value.problem.code == "out_of_memory"
    assert not context.items.done


def test_a_second_attempt_measures_only_what_is_missing(tmp_path: Path) -> None:
    kind, items, host = benchmark(models=["echo", "other"], runs=4), LocalItems(), Host(latency_ms=200, tokens=16)
    first = host.context(tmp_path, items)
    # The first cell's four samples and its record, and one sample of the second.
    items.then = lambda done: first.cancelled.set() if done == 6 else None
    with pytest.raises(Cancelled):
        kind.run(first)
    assert host.idle
    before = dict(items.done)
    host.acquired.clear()
    data = kind.run(host.context(tmp_path, items, attempt=2)).data
    assert host.acquired == [("other", "echo")]
    assert {index: items.done[index] for index in before} == before
    assert [cell["samples"] for cell in data["cells"]] == [4, 4]


def test_a_run_that_dies_costs_its_cell_and_no_other(tmp_path: Path) -> None:
    kind, items, host = benchmark(models=["echo", "other"], runs=4), LocalItems(), Host(latency_ms=60, tokens=16)

    def kill(done: int) -> None:
        if done == 2:
            assert host.process is not None
            os.kill(host.process.pid, signal.SIGKILL)

    items.then = kill
    data = kind.run(host.context(tmp_path, items)).data
    assert [cell["state"] for cell in data["cells"]] == ["failed", "measured"]
    assert data["cells"][0]["error"]["code"] == "run_died"
    assert data["cells"][1]["samples"] == 4


def test_it_reserves_the_host_and_names_what_it_will_load() -> None:
    catalog = LocalCatalog(runtimes={"a": ["llama-cpp", "ollama"], "b": ["mlx-lm"]})
    settled = Benchmark(models=("a", "b"), fills=(4096,), max_tokens=128).settle(catalog)
    assert settled.cells is not None
    assert Cell(model="b", runtime="mlx-lm") in settled.cells
    demand = settled.demand(catalog)
    assert demand.exclusive
    assert demand.capability is Capability.GENERATE
    assert demand.acquires == (("a", "llama-cpp"), ("a", "ollama"), ("b", "mlx-lm"))
    assert demand.spec.context == 4096 + 128 + 256
    with pytest.raises(InvalidParameters, match="No runtime"):
        Benchmark(models=("c",)).settle(catalog)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prompts": ["shrot"]}, "did you mean 'short'"),
        ({"prompts": []}, "nothing to ask"),
        ({"prompts": ["short", {"name": "short", "text": "x"}]}, "more than once: short"),
        ({"models": []}, "models"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        benchmark(**fields)
    assert said in str(refused.value)
