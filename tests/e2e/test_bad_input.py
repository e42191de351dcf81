"""Bad input at every surface is answered with what, why and how to fix it, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.invariants import broken
from tests.models import smollm2, whisper_tiny
from tests.stack import Stack, command, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model]

_GGUF = Path(smollm2().path)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("bad-input")
    with running(home, runtimes='["echo","llama-cpp","whisper","store"]') as stack:
        yield stack


@pytest.fixture(autouse=True)
def nothing_is_lost(stack: Stack) -> Iterator[None]:
    """After every insult the queue is whole and still works."""
    yield
    with stack.database.read() as session:
        assert broken(session) == []
    job = stack.wait(stack.submit("inference", model="echo", prompt="still here", stream=False))
    assert job["result"]["text"] == "still here"


def _three_parts(problem: dict[str, Any] | None) -> dict[str, Any]:
    assert problem is not None
    assert all(problem[part].strip() for part in ("what", "why", "fix")), problem
    assert "Traceback" not in str(problem)
    return problem


def _refused(stack: Stack, status: int, body: Any, path: str = "/v1/jobs", **headers: str) -> dict[str, Any]:
    response = stack.http.post(path, json=body, headers=headers)
    assert response.status_code == status, response.text
    return _three_parts(response.json()["error"])


def _job(**params: Any) -> dict[str, Any]:
    return {"kind": "inference", "params": params}


def test_an_unknown_kind_is_refused_with_the_nearest_one(stack: Stack) -> None:
    problem = _refused(stack, 422, {"kind": "inferense", "params": {}})
    assert "inference" in str(problem)


@pytest.mark.parametrize(
    "params",
    [
        {"model": "echo", "prompt": 7},
        {"model": "echo", "prompt": "hi", "requests": []},
        {"model": "echo"},
        {"model": "echo", "prompt": "hi", "promt": "hi"},
        {"model": "echo", "prompt": "hi", "spec": {"slots": 0}},
        {"model": ["echo"], "prompt": "hi"},
        {"model": "echo", "file": "../../etc/passwd"},
    ],
)
def test_wrong_parameters_are_refused(stack: Stack, params: dict[str, Any]) -> None:
    response = stack.http.post("/v1/jobs", json=_job(**params))
    assert response.status_code in (404, 422), response.text
    _three_parts(response.json()["error"])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"kind": "inference", "params": "x"}', b"\xff\xfe"])
def test_what_is_not_a_job_is_refused(stack: Stack, body: bytes) -> None:
    response = stack.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422), response.text
    _three_parts(response.json()["error"])


def test_a_missing_model_is_refused_with_the_nearest_name(stack: Stack) -> None:
    assert "echo" in str(_refused(stack, 404, _job(model="ecco", prompt="hi")))


def test_what_can_never_fit_is_refused_with_the_numbers(stack: Stack) -> None:
    problem = _refused(stack, 422, _job(model="echo", prompt="hi", spec={"params": {"memory": "900GiB"}}))
    assert "GiB" in problem["why"] + problem["what"]


def test_a_file_that_is_no_gguf_fails_its_download(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + os.urandom(4096))
    job = stack.wait(stack.submit("download", model=f"local:{path}"))
    assert job["state"] == "failed"
    _three_parts(job["error"])


def test_a_truncated_gguf_fails_its_jobs_with_the_cause(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "truncated.gguf"
    path.write_bytes(_GGUF.read_bytes()[: _GGUF.stat().st_size // 2])
    job = stack.wait(stack.submit("download", model=f"local:{path}", name="truncated"))
    if job["state"] == "succeeded":
        job = stack.wait(stack.submit("inference", model="truncated", prompt="hi"), timeout=120)
    assert job["state"] == "failed"
    _three_parts(job["error"])


def test_broken_audio_fails_its_job_with_the_cause(stack: Stack) -> None:
    stack.wait(stack.submit("download", model=f"local:{whisper_tiny().path}", name="whisper"))
    upload = stack.http.post("/v1/files", files={"file": ("noise.wav", os.urandom(5000))}, data={"purpose": "audio"})
    job = stack.wait(stack.submit("transcription", model="whisper", file=upload.json()["id"]), timeout=120)
    assert job["state"] == "failed"
    assert _three_parts(job["error"])["code"] == "invalid_input"


def test_a_failed_item_leaves_the_others_alone(stack: Stack) -> None:
    good = {"messages": [{"role": "user", "content": "fine"}]}
    bad = {**good, "echo": {"fail": "error"}}
    job = stack.wait(stack.submit("inference", model="echo", requests=[good, bad, good]))
    assert job["state"] == "succeeded"
    assert (job["result"]["succeeded"], job["result"]["failed"]) == (2, 1)


def test_jobs_wait_for_a_dead_redis_and_run_when_it_is_back(stack: Stack) -> None:
    pid = stack.valkey.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not stack.valkey.alive())
    job_id = stack.submit("inference", model="echo", prompt="patience", stream=False)
    eventually(lambda: stack.get("/health")["redis"]["ok"] is False)
    stack.valkey.start()
    assert stack.wait(job_id)["result"]["text"] == "patience"


def _run(piece: str, stack: Stack, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(piece),
        env={**stack.environment_of("api"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_used_port_is_said_plainly(stack: Stack) -> None:
    done = _run("api", stack)
    assert done.returncode != 0
    assert str(stack.port) in done.stderr
    assert "To fix" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_host_token_ends_the_agent_with_a_reason(stack: Stack) -> None:
    done = _run("agent", stack, CIDERMILL_HOST_NAME="gamma", CIDERMILL_HOST_TOKEN="ch_wrong")
    assert done.returncode != 0
    assert "token" in done.stderr
    assert "To fix" in done.stderr
    assert "ch_wrong" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_token_is_refused_by_the_worker_protocol(stack: Stack) -> None:
    headers = {"Authorization": "Bearer ch_wrong", "Cidermill-Protocol": "1"}
    response = stack.http.post("/worker/v1/claim", json={"worker": "x", "attempts": []}, headers=headers)
    assert response.status_code == 401
    _three_parts(response.json()["error"])


def test_a_path_trick_in_an_id_is_just_not_found(stack: Stack) -> None:
    for path in ("/v1/jobs/..%2f..%2fetc", "/v1/files/%2e%2e%2fpasswd/content", "/v1/runs/'; drop table runs;--"):
        response = stack.http.get(path)
        assert response.status_code == 404, (path, response.text)
        _three_parts(response.json()["error"])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_plainly_and_the_job_can_be_retried(full_disk: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {"CIDERMILL_FILES_URL": str(full_disk)}
    with running(home, environment=environment) as small:
        small.http.timeout = 30
        response = small.http.post("/v1/files", files={"file": ("big", os.urandom(4 << 20))}, data={"purpose": "batch"})
        assert response.status_code in (503, 507), response.text
        _three_parts(response.json()["error"])
        assert small.get("/v1/files")["data"] == []
        assert list(full_disk.rglob("*.part")) == []
        again = small.http.post("/v1/files", files={"file": ("small", b"x")}, data={"purpose": "batch"})
        assert again.status_code < 300, again.text
