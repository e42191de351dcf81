"""The acts of the demo: each submits real jobs, follows them live and proves what came of them."""

from __future__ import annotations

import json
import time
from typing import Any

from cli.client import Client
from cli.demo.material import CHAT_MODEL, QUESTIONS, SPEECH_MODEL, TWO_CITIES, chat_model, recording, speech_model
from cli.demo.proof import prove
from cli.demo.words import word_error_rate
from cli.demo.workers import kill_worker
from cli.exits import Exit
from cli.follow import follow
from cli.output import Json
from cli.terminal import remark
from shared.vocabulary import JobState

#: Seconds after which something must be wrong, on however slow a machine.
_LONGEST = 600.0
#: Errors per word that a tiny model may make on a clear recording.
_WER = 0.08
#: Items that must be finished before the worker is killed, so that there is something to lose.
_BEFORE_THE_KILL = 8


def install(client: Client) -> list[Json]:
    """Register the chat model and the speech model that ship as packages."""
    wishes = [{"model": chat_model(), "name": CHAT_MODEL}, {"model": speech_model(), "name": SPEECH_MODEL}]
    jobs = _succeed(client, [client.post("/v1/models/install", wish)["id"] for wish in wishes])
    models = {model["id"] for model in client.get("/v1/models")["data"]}
    prove({CHAT_MODEL, SPEECH_MODEL} <= models, "both models are in the catalog", models)
    return jobs


def queue(client: Client) -> list[Json]:
    """A batch, a transcription and a benchmark at once: they share the host, or wait and say why."""
    batch = _submit(client, "inference", model=CHAT_MODEL, requests=_requests(QUESTIONS, 40))
    speech = _submit(client, "transcription", model=SPEECH_MODEL, file=client.upload(recording(), "audio")["id"])
    bench = _submit(client, "benchmark", models=[CHAT_MODEL], runtimes=["llama-cpp"], prompts=["short"], max_tokens=64)
    jobs = _succeed(client, [batch, speech, bench])
    _prove_batch(client, jobs[0], len(QUESTIONS))
    _prove_transcript(jobs[1])
    _prove_benchmark(jobs[2])
    return jobs


def survive(client: Client) -> list[Json]:
    """A batch whose worker is killed half-way: it goes on where it was, and no finished item is done again."""
    questions = QUESTIONS * 2
    job_id = _submit(client, "inference", model=CHAT_MODEL, requests=_requests(questions, 48))
    done = _until_items(client, job_id, _BEFORE_THE_KILL)
    pid = kill_worker(client, CHAT_MODEL)
    remark(f"kill -9 {pid}: the llama-cpp worker, with {done} of {len(questions)} items done")
    [job] = _succeed(client, [job_id])
    items = _prove_batch(client, job, len(questions))
    kept = sum(item["attempt"] == 1 for item in items)
    prove(job["attempt"] >= 2, "the batch needed a second attempt", job["attempt"])
    prove(done <= kept < len(questions), "what the first attempt finished was kept, not done again", kept)
    remark(f"{kept} items of the first attempt were kept, {len(questions) - kept} came from the next")
    return [job]


def _requests(questions: tuple[str, ...], max_tokens: int) -> list[Json]:
    return [
        {
            "messages": [{"role": "user", "content": question}],
            "max_tokens": max_tokens,
            "custom_id": f"question-{number}",
        }
        for number, question in enumerate(questions)
    ]


def _submit(client: Client, kind: str, **params: Any) -> str:
    return str(client.post("/v1/jobs", {"kind": kind, "params": params, "labels": {"from": "demo"}})["id"])


def _succeed(client: Client, job_ids: list[str]) -> list[Json]:
    """Follow jobs until all have succeeded, in order. Raises NotProven, or KeyboardInterrupt when one came."""
    followed = follow(client, job_ids, timeout=_LONGEST)
    if followed.code is Exit.INTERRUPTED:
        raise KeyboardInterrupt
    jobs = [followed.jobs[job_id] for job_id in job_ids]
    for job in jobs:
        prove(job["state"] == JobState.SUCCEEDED, f"the {job['kind']} job succeeded", job["error"] or job["state"])
    return jobs


def _until_items(client: Client, job_id: str, wanted: int) -> int:
    """Wait until so many items are finished; how many there are then."""
    deadline = time.monotonic() + _LONGEST
    while (job := client.get(f"/v1/jobs/{job_id}"))["items_done"] < wanted:
        prove(not JobState(job["state"]).final and time.monotonic() < deadline, "the batch is on its way", job["state"])
        time.sleep(0.02)
    return int(job["items_done"])


def _prove_batch(client: Client, job: Json, count: int) -> list[Json]:
    """Every question has one answer, with words and token counts; the lines of the result file."""
    result = job["result"]
    items = [json.loads(line) for line in client.download(result["output_file"]).splitlines()]
    prove([item["index"] for item in items] == list(range(count)), "every item is there once, in order", len(items))
    for item in items:
        text = item["response"]["choices"][0]["message"]["content"] if item.get("response") else ""
        prove(bool(text.strip()), f"item {item['index']} has an answer", item)
        prove(item["usage"]["completion_tokens"] > 0, f"item {item['index']} counts its tokens", item["usage"])
    prove(result["tokens_per_second"] > 0, "the batch has a speed", result)
    return items


def _prove_transcript(job: Json) -> None:
    rate = word_error_rate(TWO_CITIES, job["result"]["text"])
    job["result"]["word_error_rate"] = rate
    prove(rate <= _WER, f"at most {_WER:.0%} of the words are wrong", f"{rate:.1%}")


def _prove_benchmark(job: Json) -> None:
    [cell] = job["result"]["cells"]
    prove(cell["state"] == "measured" and cell["samples"] > 0, "the benchmark was measured", cell.get("error"))
    for name in ("decode_tokens_per_second", "prefill_tokens_per_second", "ttft_seconds"):
        prove(cell["overall"][name]["median"] > 0, f"{name} is a number", cell["overall"])
    prove((cell["load_seconds"] or 0) > 0 and (cell["peak_bytes"] or 0) > 0, "load time and memory are known", cell)
