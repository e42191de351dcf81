"""What runs really hold at most, beside what was estimated before they were loaded, and what others would have said.

Each run is started as a worker starts it, and all its slots are filled at once, round after round, until the peak
stands still. mlx-lm reads prompts together that wait when it looks, and one by one those that come a moment later,
which moves the peak of a round: every second round has it at work while they come, so that both are seen. What a run
keeps of its finished requests counts too. `make bench ONLY=memory CASES="gemma3 gpt-oss"` measures these models alone.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from threading import Barrier

import httpx2

from shared.runs.learned import LearnedPeak, bucket, params_digest, version_key
from shared.runs.need import size_run
from shared.runtimes import InstalledModel, RunSpec
from shared.units import MIB
from tests.load.figure import Figure
from tests.load.layouts import LAYOUTS, installed, random_model
from tests.load.peer_formulas import PEERS
from tests.models import smollm2, whisper_tiny
from tests.speech import AUDIO
from workers.port import free_port
from workers.process import RunProcess
from workers.runtimes import discover

_PATIENCE = 3600.0
_ANSWER = 16
#: Part of a peak by which rounds differ that do the same.
_STILL = 0.005
_WORDS = ("cat", "dog", "sun", "red", "run", "map", "ice", "sky")


@dataclass(frozen=True)
class Case:
    runtime: str
    model: InstalledModel
    context: int
    slots: int
    #: Characters of a prompt that fills a slot.
    prompt: int = 0
    #: Rounds in a row that have to leave the peak as it is.
    still: int = 1
    #: Prompts that arrive while the engine reads another are read together.
    gathers: bool = False

    @property
    def spec(self) -> RunSpec:
        return RunSpec(context=self.context, slots=self.slots)


def figures() -> Iterator[Figure]:
    """Of every case the error of the estimate, then that of the estimate which has learned from the first peak."""
    with tempfile.TemporaryDirectory() as folder:
        for case in _cases(Path(folder)):
            yield from _figures(case)


def _cases(folder: Path) -> Iterator[Case]:
    small = installed("smollm2-135m", Path(smollm2().path))
    for context in (2048, 4096, 8192) if _wanted(small.name) else ():
        for slots in (1, 4):
            # A word is a token to SmolLM2; a letter is one to the random models.
            yield Case("llama-cpp", small, context, slots, 4 * (context - 128))
    for layout in filter(_wanted, LAYOUTS):
        model = random_model(layout, folder / layout)
        yield Case("mlx-lm", model, 256, 1, 256 - _ANSWER - 8)
        yield Case("mlx-lm", model, 512, 2, 512 - _ANSWER - 8, still=4, gathers=True)
    speech = installed("whisper-tiny.en", Path(whisper_tiny().path))
    yield from (Case("whisper", speech, 448, slots) for slots in (1, 2) if _wanted(speech.name))


def _wanted(model: str) -> bool:
    chosen = os.environ.get("CASES", "").split()
    return not chosen or model in chosen


def _figures(case: Case) -> Iterator[Figure]:
    info = discover()[case.runtime].probe()
    if info is None:
        raise AssertionError(f"{case.runtime} is not installed")
    name = f"{case.model.name} on {case.runtime}, {case.context} × {case.slots}"
    first, guess = peak(case), size_run(case.model, info, case.spec).need.total
    said = {peer: formula(case.model, case.context, case.slots) for peer, formula in PEERS.items()}
    others = ", ".join(f"{peer} {_error(size, first):+.0f} %" for peer, size in said.items())
    note = f"estimated {guess / MIB:.0f} MiB, measured {first / MIB:.0f}; {others}"
    yield Figure(f"estimate of {name}", abs(_error(guess, first)), "%", 10, "less", note)
    version, params = version_key(info.version), params_digest({})
    learned = LearnedPeak(
        case.runtime, version, bucket(case.context), case.slots, params, first, guess, busy=case.slots
    )
    second, better = peak(case), size_run(case.model, info, case.spec, [learned]).need.total
    note = f"estimated {better / MIB:.0f} MiB, measured {second / MIB:.0f}"
    yield Figure("the same, learned", abs(_error(better, second)), "%", 5, "less", note)


def _error(said: int, measured: int) -> float:
    return 100 * (said - measured) / measured


def peak(case: Case) -> int:
    """Bytes that a run of this case holds at most while all its slots are full."""
    engine = discover()[case.runtime]
    process = RunProcess.start(engine.plan(case.spec, case.model, free_port()))
    try:
        process.wait_ready(engine.diagnose)
        return _highest(process, case)
    finally:
        process.stop()


def _highest(process: RunProcess, case: Case) -> int:
    """The peak once `case.still` rounds in a row have not raised it."""
    seeds, gate = count(), Barrier(case.slots)
    highest = still = 0
    with httpx2.Client(timeout=_PATIENCE) as client, ThreadPoolExecutor(case.slots) as threads:
        fill = partial(_fill, client, process, case, gate)
        for number in count():
            with _at_work(client, process, case, -number) if case.gathers and number % 2 else nullcontext():
                list(threads.map(fill, islice(seeds, case.slots)))
            usage = process.memory()
            if usage is None:
                raise AssertionError(f"{case.model.name} died")
            still = 0 if usage.peak > highest * (1 + _STILL) else still + 1
            highest = max(highest, usage.peak)
            if still == case.still:
                break
    return highest


@contextmanager
def _at_work(client: httpx2.Client, process: RunProcess, case: Case, seed: int) -> Iterator[None]:
    """The engine has begun to read a prompt of half a slot: its head is sent before it reads."""
    body = {"model": process.endpoint.served_name, "prompt": _text(case.prompt // 2, seed), "max_tokens": 1}
    with client.stream("POST", f"{process.endpoint.url}/v1/completions", json=body | {"stream": True}) as answer:
        answer.raise_for_status()
        yield
        answer.read()


def _fill(client: httpx2.Client, process: RunProcess, case: Case, gate: Barrier, seed: int) -> None:
    """One request that fills a slot, sent in the same moment as those to the other slots."""
    url = process.endpoint.url
    gate.wait()
    if case.runtime == "whisper":
        with AUDIO.open("rb") as audio:
            answer = client.post(f"{url}/v1/audio/transcriptions", files={"file": audio})
    else:
        body = {"model": process.endpoint.served_name, "prompt": _text(case.prompt, seed), "max_tokens": _ANSWER}
        answer = client.post(f"{url}/v1/completions", json=body)
    answer.raise_for_status()


def _text(length: int, seed: int) -> str:
    """Words of three letters; each seed gives others, so that no prompt begins like one before."""
    chance = random.Random(seed)
    return " ".join(chance.choice(_WORDS) for _ in range(length // 4))
