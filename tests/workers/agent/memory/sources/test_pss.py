"""Memory of processes on Linux: exact now and then, followed cheaply in between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.units import MIB
from tests.waiting import eventually
from workers.agent.memory.sources.pss import ProcessMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

#: Grows by so many MiB for each line it reads, and answers each.
_GROWING = (
    "import sys; held = []\nfor n in sys.stdin: held.append(bytearray(b'x') * int(n)); print('grown', flush=True)"
)


@contextmanager
def _process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _GROWING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _grow(process: subprocess.Popen[str], mib: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{mib * MIB}\n")
    process.stdin.flush()
    process.stdout.readline()


def test_growth_is_seen_at_once_whether_it_is_small_or_large() -> None:
    memory = ProcessMemory()
    with _process() as process:
        _grow(process, 100)
        before, clean = memory.of_trees([process.pid])
        assert before > 100 * MIB > clean
        _grow(process, 3)
        followed, _ = memory.of_trees([process.pid])
        assert followed - before == pytest.approx(3 * MIB, abs=MIB / 2)
        _grow(process, 100)
        assert memory.of_trees([process.pid])[0] - before == pytest.approx(103 * MIB, abs=MIB)
    eventually(lambda: memory.of_trees([process.pid]) == (0, 0))


def test_what_is_followed_agrees_with_what_is_taken_anew() -> None:
    now = [0.0]
    memory = ProcessMemory(lambda: now[0])
    with _process() as process:
        for _ in range(10):
            _grow(process, 5)
            now[0] += 2.0
            followed, _ = memory.of_trees([process.pid])
        exact, _ = ProcessMemory().of_trees([process.pid])
        assert followed == pytest.approx(exact, rel=0.02)


def test_pages_of_files_are_told_apart() -> None:
    memory = ProcessMemory()
    with _process() as process:
        _grow(process, 1)
        held, clean = memory.of_trees([process.pid])
        assert 0 < clean < held
