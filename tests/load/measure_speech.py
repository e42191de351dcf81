"""Real speech through a transcription job, beside faster-whisper called directly on the same file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.load.figure import Figure
from tests.speech import AUDIO, MODEL, TEXT, word_error_rate
from tests.stack import Stack, running

_ROUNDS = 3

_DIRECT = """
import sys, time
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=int(sys.argv[3]))
began = time.monotonic()
segments, _ = model.transcribe(sys.argv[2], word_timestamps=True)
text = "".join(s.text for s in segments)
print(time.monotonic() - began)
"""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), runtimes='["whisper","store"]') as stack:
        stack.wait(stack.submit("download", model=f"local:{MODEL}", name="whisper-tiny.en"))
        file_id = _upload(stack)
        _transcribe(stack, file_id)
        ours, direct = [], []
        for _ in range(_ROUNDS):
            direct.append(_direct())
            seconds, text = _transcribe(stack, file_id)
            ours.append(seconds)
        yield Figure("word error rate", 100 * word_error_rate(TEXT, text), "%", 5, "less", "two_cities.wav, tiny.en")
        yield Figure("faster-whisper called directly", median(direct), "s", note=f"median of {_ROUNDS}, model loaded")
        yield Figure("transcription job", median(ours), "s", note="submit to result, run ready")
        ratio = median(job / raw for job, raw in zip(ours, direct, strict=True))
        yield Figure("transcription job / direct", ratio, "×", 1.15, "less")


def _upload(stack: Stack) -> str:
    with AUDIO.open("rb") as audio:
        response = stack.http.post("/v1/files", files={"file": (AUDIO.name, audio)}, data={"purpose": "transcription"})
    return str(response.json()["id"])


def _transcribe(stack: Stack, file_id: str) -> tuple[float, str]:
    began = time.monotonic()
    job = stack.wait(stack.submit("transcription", model="whisper-tiny.en", file=file_id), timeout=120)
    if job["state"] != "succeeded":
        raise AssertionError(job["error"])
    return time.monotonic() - began, str(job["result"]["text"])


def _direct() -> float:
    command = [sys.executable, "-c", _DIRECT, str(MODEL), str(AUDIO), "2"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
