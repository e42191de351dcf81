"""Downloads by the store worker, against plain `snapshot_download` of the same files from the same hub.

Each round does both, so that what else the machine does falls on both; the best round of each counts. The hub is a
process of its own and sends sparse files from memory, so that neither its disk nor ours is what is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from shared.units import MIB
from tests.load.figure import Figure
from tests.stack import Stack, running
from tests.waiting import eventually

_FILES, _SIZE = 4, 256 * MIB
_ROUNDS = 3
_REPO = "org/big"
_MEMORY = Path("/dev/shm")
_PLAIN = f"""
import time
from huggingface_hub import snapshot_download
began = time.perf_counter()
snapshot_download({_REPO!r})
print(time.perf_counter() - began)
"""
_SERVE = "import sys; from pathlib import Path; from tests.hub import publish; publish(sys.argv[1], Path(sys.argv[2]))"


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        folder = Path(name)
        with _hub(_model(folder / "model")) as url:
            environment = {"HF_ENDPOINT": url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            with running(folder / "home", runtimes='["store"]', environment=environment) as stack:
                yield from _compare(stack, folder / "hf")


def _compare(stack: Stack, cache: Path) -> Iterator[Figure]:
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    peak = 0.0
    for _ in range(_ROUNDS):
        rates["plain"].append(_rate(_plain(stack)))
        shutil.rmtree(cache)
        seconds, memory = _ours(stack)
        rates["ours"].append(_rate(seconds))
        peak = max(peak, memory)
        shutil.rmtree(cache)
    plain, ours = max(rates["plain"]), max(rates["ours"])
    yield Figure("download by snapshot_download", plain, "MiB/s", note=f"best of {_ROUNDS}, {_FILES} files, 1 GiB")
    yield Figure("download by the store worker", ours, "MiB/s", note=f"best of {_ROUNDS}, every byte hashed")
    yield Figure("download, part of snapshot_download", 100 * ours / plain, "%", 90)
    yield Figure("peak memory of the store worker", peak, "MB", 150, "less", note="1 GiB through four connections")


def _plain(stack: Stack) -> float:
    """Seconds that the library takes in a process of its own."""
    command = [sys.executable, "-c", _PLAIN]
    done = subprocess.run(command, env=stack.environment_of("plain"), check=True, capture_output=True, text=True)
    return float(done.stdout)


def _ours(stack: Stack) -> tuple[float, float]:
    """Seconds from the claim to the report of a download, and the most memory its worker held, in MB of 2^20 bytes."""
    worker, peak = psutil.Process(stack.worker("store")), [0]
    job_id = stack.submit("download", model=_REPO)

    def is_over() -> bool:
        peak[0] = max(peak[0], worker.memory_info().rss)
        return stack.job(job_id)["state"] in ("succeeded", "failed")

    eventually(is_over, 300.0, rarest=0.1)
    job = stack.job(job_id)
    if job["state"] != "succeeded":
        raise RuntimeError(f"the download failed: {job['error']}")
    return job["finished_at"] - job["started_at"], peak[0] / MIB


def _rate(seconds: float) -> float:
    return _FILES * _SIZE / MIB / seconds


def _model(folder: Path) -> Path:
    """A model by its looks: holes, which cost neither memory nor disk until they are written elsewhere."""
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    for number in range(_FILES):
        with (folder / f"model-{number}.safetensors").open("wb") as file:
            file.write(b"\2\0\0\0\0\0\0\0{}")
            file.truncate(_SIZE + number)
    return folder


@contextmanager
def _hub(folder: Path) -> Iterator[str]:
    """The address of a hub in another process."""
    root = Path(__file__).parents[2]
    hub = subprocess.Popen(
        [sys.executable, "-c", _SERVE, _REPO, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        if hub.stdout is None:
            raise OSError("the hub has no output")
        yield hub.stdout.readline().strip()
    finally:
        hub.kill()
        hub.wait()
