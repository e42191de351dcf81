"""Jobs from the command line, against real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from cli.exits import Exit
from tests.cli.conftest import Mill
from tests.cli.running import COMMAND, environment
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

ECHO = ("submit", "inference", "--model", "echo")


def slow(seconds: float) -> tuple[str, ...]:
    """A request that answers after so long."""
    return (*ECHO, "-p", f'requests=[{{"prompt": "x", "echo": {{"latency_ms": {seconds * 1000:.0f}}}}}]')


def test_following_a_job_prints_its_answer_and_nothing_else(mill: Mill) -> None:
    done = mill(*ECHO, "--prompt", "apples and pears", "--follow")
    assert (done.returncode, done.stdout) == (Exit.OK, "apples and pears\n")
    assert "succeeded on alpha (echo)" in done.stderr


def test_submitting_alone_prints_the_id_and_says_how_to_follow(mill: Mill) -> None:
    done = mill(*ECHO, "--prompt", "x")
    job_id = done.stdout.strip()
    assert job_id.startswith("job_")
    assert f"cidermill jobs logs -f {job_id}" in done.stderr
    assert mill("jobs", "wait", job_id).returncode == Exit.OK


def test_waiting_with_json_prints_the_whole_job(mill: Mill) -> None:
    job = json.loads(mill(*ECHO, "--prompt", "hello", "--label", "team=a", "--wait", "--json").stdout)
    assert (job["state"], job["result"]["text"], job["labels"]) == ("succeeded", "hello", {"team": "a"})
    assert [attempt["host"] for attempt in job["attempts"]] == ["alpha"]


def test_a_file_of_requests_is_uploaded_and_answered(mill: Mill, tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text("".join(f'{{"prompt": "number {n}"}}\n' for n in range(5)))
    job = json.loads(mill(*ECHO, "--file", str(file), "--wait", "--json").stdout)
    assert (job["result"]["items"], job["result"]["succeeded"]) == (5, 5)


def test_the_same_idempotency_key_gives_the_same_job(mill: Mill) -> None:
    command = (*ECHO, "--prompt", "once", "--idempotency-key", "k1")
    assert mill(*command).stdout == mill(*command).stdout


def test_jobs_are_listed_filtered_and_shown(mill: Mill) -> None:
    job_id = mill(*ECHO, "--prompt", "find me", "--label", "find=me", "--wait", "--json").stdout
    job_id = json.loads(job_id)["id"]
    assert [job["id"] for job in mill.lines("jobs", "ls", "--label", "find=me")] == [job_id]
    table = mill("jobs", "ls", "--state", "succeeded").stdout.splitlines()
    assert table[0].split() == ["ID", "KIND", "STATE", "MODEL", "CREATED", "TOOK", "NOW"]
    assert any(line.startswith(job_id) for line in table)
    shown = mill("jobs", "show", job_id).stdout
    assert "1 succeeded on alpha (echo)" in shown
    assert mill("jobs", "explain", job_id).stdout.strip()


def test_a_job_that_fails_is_exit_code_1_with_its_cause(mill: Mill) -> None:
    done = mill(*ECHO, "-p", 'requests=[{"prompt": "x", "echo": {"fail": "error"}}]', "--wait")
    assert done.returncode == Exit.FAILED
    assert "Error:" in done.stderr
    assert "To fix:" in done.stderr


def test_a_job_can_be_cancelled_and_queued_again(mill: Mill) -> None:
    job_id = mill(*slow(600)).stdout.strip()
    eventually(lambda: mill.json("jobs", "show", job_id)["state"] == "running", within=60)
    assert "cancel" in mill("jobs", "cancel", job_id).stdout
    assert mill("jobs", "wait", job_id).returncode == Exit.CANCELLED
    assert mill("jobs", "retry", job_id).stdout == f"{job_id} queued\n"
    mill("jobs", "cancel", job_id)


def test_waiting_no_longer_than_asked_is_exit_code_6_and_the_job_goes_on(mill: Mill) -> None:
    job_id = mill(*slow(600)).stdout.strip()
    done = mill("jobs", "wait", job_id, "--timeout", "0.2")
    assert done.returncode == Exit.TIMEOUT
    assert f"cidermill jobs logs -f {job_id}" in done.stderr
    mill("jobs", "cancel", job_id)


def test_ctrl_c_detaches_says_how_to_come_back_and_the_job_goes_on(mill: Mill) -> None:
    mill(*ECHO, "--prompt", "warm up", "--wait")
    engines = [psutil.Process(run["pid"]) for run in mill.stack.get("/v1/runs")["data"] if run["state"] == "ready"]
    for engine in engines:
        engine.suspend()
    command = (*COMMAND, "--url", mill.stack.url, *ECHO, "--prompt", "hello", "--follow")
    with subprocess.Popen(
        command,
        env=environment(mill.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background were told to take no notice of Ctrl-C, and would pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as following:
        assert following.stderr is not None
        job_id = following.stderr.readline().split()[0]
        os.kill(following.pid, signal.SIGINT)
        assert following.wait(60) == Exit.INTERRUPTED
        assert f"cidermill jobs logs -f {job_id}" in following.stderr.read()
    for engine in engines:
        engine.resume()
    assert mill("jobs", "logs", "-f", job_id).returncode == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("submit", "inferense", "--model", "echo"), Exit.USAGE, "inference"),
        (("submit", "inference", "--model", "ekho", "--prompt", "x"), Exit.NOT_FOUND, "echo"),
        (("submit", "inference", "--model", "echo"), Exit.USAGE, "prompt, requests and file"),
        ((*ECHO, "--prompt", "x", "-p", "temprature=1"), Exit.USAGE, "temprature"),
        ((*ECHO, "--file", "/nowhere.jsonl"), Exit.FAILED, "/nowhere.jsonl"),
        (("jobs", "show", "job_nothing"), Exit.NOT_FOUND, "job_nothing"),
        (("jobs", "retry", "job_nothing"), Exit.NOT_FOUND, "job_nothing"),
        (("models", "info", "ekho"), Exit.NOT_FOUND, "echo"),
        (("hosts", "show", "alfa"), Exit.NOT_FOUND, "alpha"),
        (("runs", "stop", "run_nothing"), Exit.NOT_FOUND, "run_nothing"),
    ],
)
def test_what_is_wrong_is_said_in_three_parts(mill: Mill, arguments: tuple[str, ...], code: Exit, words: str) -> None:
    done = mill(*arguments)
    said = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert (said[0].split(":")[0], said[-1].split(":")[0]) == ("Error", "To fix")
    assert done.stdout == ""
