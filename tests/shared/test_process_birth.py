"""Processes are known by number and birth, whatever becomes of the clock."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from shared.process_birth import birth_of, living


def test_a_process_is_known_again() -> None:
    birth = birth_of(os.getpid())
    assert birth is not None
    assert living(os.getpid(), birth) == psutil.Process()


def test_a_later_process_with_the_number_is_another() -> None:
    birth = birth_of(os.getppid())
    assert birth is not None
    assert living(os.getpid(), birth) is None


def test_one_that_has_ended_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    birth = birth_of(process.pid)
    assert birth is not None
    assert living(process.pid, birth) is not None
    process.kill()
    # Not waited for, it is a zombie first.
    psutil.wait_procs([psutil.Process(process.pid)], timeout=0)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)
    assert living(process.pid, birth) is None
    assert birth_of(process.pid) is None


def test_a_beginning_by_the_clock_as_it_was_once_noted_counts() -> None:
    begun = psutil.Process().create_time()
    assert living(os.getpid(), begun) is not None
    assert living(os.getpid(), begun - 5) is None


@pytest.mark.parametrize("step", [1, 3600, -3600])
def test_a_clock_that_is_set_changes_nothing(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The kernel then tells another moment of the boot, by which psutil reckons when a process began."""
    birth, told = birth_of(os.getpid()), psutil.boot_time()
    platform = sys.modules[psutil.Process()._proc.__module__]  # type: ignore[attr-defined]
    monkeypatch.setattr(platform, "boot_time", lambda: told + step)
    assert birth is not None
    assert living(os.getpid(), birth) is not None
