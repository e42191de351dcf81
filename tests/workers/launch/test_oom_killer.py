"""A run that Linux kills for its memory is told from one that somebody killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shared.errors import OutOfMemory, RunDied
from shared.runtimes import RunSpec
from shared.units import MIB
from tests.models import ECHO
from tests.waiting import eventually
from workers.launch.oom_killer import aware_of_kills, kills
from workers.port import free_port
from workers.process import RunProcess
from workers.runtimes import discover

#: Where control groups are and how their limit is called: version 1, then 2.
_PLACES = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


def died(code: int, before: int | None, after: int | None) -> str:
    """What is said of a process that ended with `code`, while the kernel's count of kills went so."""
    counts = iter((before, after))
    return aware_of_kills(discover()["echo"].diagnose, lambda: next(counts))(code, "last words").code


def test_a_kill_while_the_kernel_killed_is_a_lack_of_memory() -> None:
    assert died(-signal.SIGKILL, 3, 4) == OutOfMemory.code


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        pytest.param(-signal.SIGKILL, 3, 3, id="somebody killed it"),
        pytest.param(-signal.SIGABRT, 3, 4, id="it aborted while another was killed"),
        pytest.param(-signal.SIGKILL, None, None, id="the system does not count"),
    ],
)
def test_anything_else_is_what_it_was(code: int, before: int | None, after: int | None) -> None:
    assert died(code, before, after) == RunDied.code


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """A control group whose processes get so many bytes together; skips where we may not make one."""
    for place, file in _PLACES:
        group = place / f"cidermill-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / file).exists():
                (group / file).write_text(str(limit))
                yield group
                return
        finally:
            eventually(partial(removed, group))
    pytest.skip("control groups cannot be made here")


def removed(group: Path) -> bool:
    """It is busy for a moment after its last process."""
    try:
        group.rmdir()
    except OSError:
        return not group.exists()
    return True


@pytest.mark.skipif(kills() is None, reason="this system does not count its kills")
def test_a_run_that_the_kernel_kills_ran_out_of_memory() -> None:
    engine = discover()["echo"]
    plan = engine.plan(RunSpec(params={"memory": 200 * MIB}), ECHO, free_port())
    diagnose = aware_of_kills(engine.diagnose)
    with control_group(100 * MIB) as group:
        # It is in the group before it takes anything.
        joined = ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *plan.command)
        process = RunProcess.start(plan.model_copy(update={"command": joined}))
        try:
            with pytest.raises(OutOfMemory, match="Linux killed its process"):
                process.wait_ready(diagnose)
        finally:
            process.stop()
