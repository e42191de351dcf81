"""What a worker says on its pipe is kept until the front door has heard it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from shared.protocol import LogLine
from tests.waiting import eventually
from workers.agent import supervisor
from workers.agent.supervisor import Life, Supervised
from workers.pipe import Line, Status

Says = Callable[..., Supervised]


@pytest.fixture
def says() -> Iterator[Says]:
    """A worker that has said these, and ended."""
    processes: list[subprocess.Popen[bytes]] = []

    def says(*statuses: Status) -> Supervised:
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdin is not None
        line = Line(process.stdin)
        for status in statuses:
            line.send(status)
        process.stdin.close()
        supervised = Supervised("echo", lambda *_: pytest.fail("nothing is started"), lambda: None)
        supervised.life = Life("wk_1", process, line, "", 0.0, 0.0)
        supervised._listen(supervised.life)
        return supervised

    yield says
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(30)


def logged(*texts: str, slots: int = 0) -> Status:
    return Status(logs=[LogLine(run_id="run_1", text=text) for text in texts], slots=slots)


def heard(worker: Supervised) -> list[str]:
    status = worker.take_logs()
    assert status is not None
    return [line.text for line in status.logs]


def test_lines_are_handed_over_once_and_the_rest_stays_as_it_was_last(says: Says) -> None:
    worker = says(logged("a", slots=1), logged("b", slots=2))
    status = worker.take_logs()
    assert status is not None
    assert ([line.text for line in status.logs], status.slots) == (["a", "b"], 2)
    again = worker.take_logs()
    assert again is not None
    assert (again.logs, again.slots) == ([], 2)


def test_lines_that_the_front_door_did_not_hear_are_told_again_in_their_order(says: Says) -> None:
    worker = says(logged("a", "b"))
    status = worker.take_logs()
    assert status is not None
    assert worker.life is not None
    worker.life.logs.extend(logged("c").logs)
    worker.keep_logs(status.logs)
    assert heard(worker) == ["a", "b", "c"]


def test_the_latest_lines_stay_when_there_is_no_room_for_all(says: Says) -> None:
    worker = says(logged(*(str(number) for number in range(1500))))
    status = worker.take_logs()
    assert status is not None
    assert (status.logs[0].text, len(status.logs)) == ("500", 1000)
    assert worker.life is not None
    worker.life.logs.extend(logged(*(f"new {number}" for number in range(999))).logs)
    worker.keep_logs(status.logs)
    told = heard(worker)
    assert (told[:2], len(told)) == (["1499", "new 0"], 1000)


@pytest.fixture
def silent() -> Iterator[Supervised]:
    """A worker that lives, and of which nothing was heard for a minute."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    worker = Supervised("echo", lambda *_: pytest.fail("nothing is started"), lambda: None)
    worker.life = Life("wk_1", process, Line(process.stdin), "", 0.0, time.monotonic() - 60.0, spoke=True)
    yield worker
    process.kill()
    process.wait(30)
    process.stdin.close()
    process.stdout.close()


def test_what_a_worker_said_while_its_agent_stood_still_is_heard_before_it_is_judged(silent: Supervised) -> None:
    life = silent.life
    assert life is not None
    assert silent.check(stopping=False) is None
    listening = threading.Thread(target=silent._listen, args=(life,))
    listening.start()
    said = life.heard
    life.line.send(logged("here"))
    eventually(lambda: life.heard > said)
    assert silent.check(stopping=False) is None
    assert life.missed is None
    life.process.kill()
    listening.join()


def test_a_worker_that_stays_silent_is_ended(silent: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LISTENING", 0.1)
    deaths = []
    eventually(lambda: deaths.extend(filter(None, [silent.check(stopping=True)])) or deaths)
    assert deaths[0].exit_code == -9
