"""The store worker as it runs on a host: killed, shared, paced, and silent about tokens."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from shared.store.speeds import read_speeds
from shared.vocabulary import Source
from tests.handmade import gguf
from tests.hub import SIGNATURE, TOKEN, Fault, HubServer, running_hub
from tests.stack import Stack, running
from tests.waiting import eventually

SIZE = 6_000_000
RATE = 3_000_000
#: Bytes at an end that the hub keeps back until what the test wants to see has been seen.
END = 500_000


def model(repo: str, size: int = SIZE) -> bytes:
    """Of each repository another: what a host has under another name is not fetched."""
    return gguf() + random.Random(repo).randbytes(size)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub() as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("stack")
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home / "hf"),
        "HF_TOKEN": TOKEN,
        "CIDERMILL_MAX_CRASHES": "1000",
        "CIDERMILL_LOG_LEVEL": "debug",
        "CIDERMILL_SYNC_SECONDS": "0.2",
        "CIDERMILL_FLEET_DOWNLOAD_RATE": str(RATE),
    }
    with running(home, runtimes='["store"]', environment=environment) as stack:
        yield stack


def size(stack: Stack, repo: str) -> int:
    """Bytes of the model that are here while it comes."""
    blobs = stack.home / "hf" / "hub" / f"models--{repo.replace('/', '--')}" / "blobs"
    return sum(path.stat().st_size for path in blobs.glob("*.incomplete"))


def reached(stack: Stack, repo: str, count: int) -> bool:
    return size(stack, repo) >= count


def content(stack: Stack, repo: str) -> bytes:
    """As another tool finds it, without a network."""
    cache = stack.home / "hf" / "hub"
    return (Path(snapshot_download(repo, cache_dir=cache, local_files_only=True)) / "model.gguf").read_bytes()


def starts(hub: HubServer, name: str) -> list[int]:
    """Where the answers for a repository's content had to begin, in order."""
    ranges = [seen.range or "bytes=0-" for seen in hub.content_requests() if f"/cdn/{name}/" in seen.path]
    return [int(text.removeprefix("bytes=").partition("-")[0]) for text in ranges]


def test_a_worker_killed_at_any_byte_goes_on_from_there(stack: Stack, hub: HubServer) -> None:
    hub.add("org/killed", {"model.gguf": model("org/killed")}, private=True)
    hub.faults.extend([Fault(hold_after=-END)] * 2)
    job = stack.submit("download", model="org/killed")
    kept: list[int] = []
    for number in (1, 2):
        point = random.Random(number).randrange(SIZE * number // 4, SIZE * (number + 1) // 4)
        eventually(partial(reached, stack, "org/killed", point), 60)
        stack.kill_worker("store")
        kept.append(size(stack, "org/killed"))
    assert stack.wait(job)["state"] == "succeeded"
    assert content(stack, "org/killed") == model("org/killed")
    assert starts(hub, "org/killed") == [0, *kept]


def test_two_jobs_share_one_download_and_the_second_takes_over(stack: Stack, hub: HubServer) -> None:
    hub.add("org/shared", {"model.gguf": model("org/shared")}, private=True)
    hub.faults.append(Fault(hold_after=1_000_000))
    first = stack.submit("download", model="org/shared")
    eventually(partial(reached, stack, "org/shared", 500_000), 30)
    second = stack.submit("download", model="org/shared")
    eventually(lambda: ((stack.job(second)["progress"] or {}).get("done") or 0) > 500_000, 30)
    assert starts(hub, "org/shared") == [0]
    stack.post(f"/v1/jobs/{first}/cancel")
    assert stack.wait(first)["state"] == "cancelled"
    assert stack.wait(second)["state"] == "succeeded"
    hub.released.set()
    assert content(stack, "org/shared") == model("org/shared")
    begun, went_on = starts(hub, "org/shared")
    assert begun == 0
    assert went_on > 500_000


def test_downloads_of_the_fleet_keep_its_rate(stack: Stack, hub: HubServer) -> None:
    repos = ("org/one", "org/two")
    for repo in repos:
        hub.add(repo, {"model.gguf": model(repo)}, private=True)
    hub.released.clear()
    hub.always = Fault(hold_after=100_000)
    jobs = [stack.submit("download", model=repo) for repo in repos]
    eventually(lambda: all(size(stack, repo) for repo in repos), 30)
    began, here = time.monotonic(), sum(size(stack, repo) for repo in repos)
    hub.always = Fault()
    hub.released.set()
    assert [stack.wait(job)["state"] for job in jobs] == ["succeeded"] * 2
    assert (2 * SIZE - here) / (time.monotonic() - began) < RATE * 1.1


def test_a_download_that_failed_teaches_how_fast_bytes_come(stack: Stack, hub: HubServer) -> None:
    hub.add("org/damaged", {"model.gguf": model("org/damaged", 3 * SIZE)}, private=True)
    hub.always = Fault(corrupt=True)
    body = {"kind": "download", "params": {"model": "org/damaged"}, "max_failures": 1}
    job = stack.wait(stack.post("/v1/jobs", body)["id"])
    hub.always = Fault()
    assert (job["state"], job["error"]["code"]) == ("failed", "checksum_mismatch")
    with stack.database.read() as session:
        known = read_speeds(session.connection())
    assert known.keys() == {("alpha", Source.HUB)}
    assert 0.1 * RATE < known["alpha", Source.HUB] < 1.1 * RATE


def test_a_gated_model_says_what_to_do_and_nothing_tells_the_token(stack: Stack, hub: HubServer) -> None:
    hub.add("org/gated", {"model.gguf": model("org/gated")}).closed = True
    refused = stack.wait(stack.submit("download", model="org/gated"))["error"]
    assert refused["code"] == "gated_model"
    assert f"{hub.url}/org/gated" in refused["fix"]
    assert "HF_TOKEN" in refused["fix"]
    assert stack.wait(stack.submit("download", model="org/missing"))["error"]["code"] == "not_found"
    told = [path.read_bytes() for path in stack.home.glob("*.log")]
    told += [path.read_bytes() for path in (stack.home / "state").rglob("*") if path.is_file()]
    told += [path.read_bytes() for path in stack.home.glob("cidermill.db*")]
    told += [stack.http.get("/v1/jobs?limit=100").content, stack.http.get("/metrics").content]
    everything = b"".join(told)
    assert b"org/gated" in everything
    assert TOKEN.encode() not in everything
    assert SIGNATURE.encode() not in everything
