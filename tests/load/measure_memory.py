"""What runs really hold at most, beside what was estimated before they were loaded, and what others would have said.

Each run is started as a worker starts it, and every slot is filled twice: what a run keeps of its finished requests
counts too.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
_WORDS = ("cat", "dog", "sun", "red", "run", "map", "ice", "sky")


@dataclass(frozen=True)
class Case:
    runtime: str
    model: InstalledModel
    context: int
    slots: int
    #: Characters of a prompt that fills a slot.
    prompt: int = 0

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
    for context in (2048, 4096, 8192):
        for slots in (1, 4):
            # A word is a token to SmolLM2; a letter is one to the random models.
            yield Case("llama-cpp", small, context, slots, 4 * (context - 128))
    for layout in LAYOUTS:
        model = random_model(layout, folder / layout)
        yield Case("mlx-lm", model, 256, 1, 256 - _ANSWER - 8)
        yield Case("mlx-lm", model, 512, 2, 512 - _ANSWER - 8)
    speech = installed("whisper-tiny.en", Path(whisper_tiny().path))
    yield from (Case("whisper", speech, 448, slots) for slots in (1, 2))


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
    learned = LearnedPeak(case.runtime, version, bucket(case.context), case.slots, params, first, guess)
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
        with ThreadPoolExecutor(case.slots) as threads:
            for begin in (0, case.slots):
                list(threads.map(partial(_fill, process, case), range(begin, begin + case.slots)))
        usage = process.memory()
    finally:
        process.stop()
    if usage is None:
        raise AssertionError(f"{case.model.name} died")
    return usage.peak


def _fill(process: RunProcess, case: Case, seed: int) -> None:
    url = process.endpoint.url
    if case.runtime == "whisper":
        with AUDIO.open("rb") as audio:
            answer = httpx2.post(f"{url}/v1/audio/transcriptions", files={"file": audio}, timeout=_PATIENCE)
    else:
        body = {"model": process.endpoint.served_name, "prompt": _text(case.prompt, seed), "max_tokens": _ANSWER}
        answer = httpx2.post(f"{url}/v1/completions", json=body, timeout=_PATIENCE)
    answer.raise_for_status()


def _text(length: int, seed: int) -> str:
    """Words of three letters; each seed gives others, so that no prompt begins like one before."""
    chance = random.Random(seed)
    return " ".join(chance.choice(_WORDS) for _ in range(length // 4))
