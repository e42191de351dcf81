"""What every way to read a host's memory must do: the system's own, and the script that stands in for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.settings import load_settings
from shared.units import GIB, MIB
from tests.waiting import eventually
from workers.agent.memory.ceiling import Policy, ceiling_of
from workers.agent.memory.reading import Source
from workers.agent.memory.sources import source_of

_HOLD = 96 * MIB
#: Touches `_HOLD` bytes in a child of its own, says so, and lives until its input closes.
_PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
_CHILD = f"import sys; held = bytearray(b'x') * {_HOLD}; print('held', flush=True); sys.stdin.read()"


@pytest.fixture(params=["system", "script"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "system":
        return source_of(load_settings())
    script = tmp_path / "memory.json"
    script.write_text(json.dumps({"total": "8GiB", "others": "2GiB", "active": "1GiB"}))
    return source_of(load_settings(memory_script=script))


@contextmanager
def _tree() -> Iterator[subprocess.Popen[str]]:
    """A process whose child holds memory."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_a_machine_without_runs_uses_nothing_and_has_something_to_give(source: Source) -> None:
    reading = source.read(())
    assert reading.own == reading.own_kept == 0
    assert 0 < reading.idle + reading.active <= reading.total
    assert reading.total >= GIB
    assert 0 < ceiling_of(reading, Policy()).size < reading.total


def test_what_the_children_of_a_run_hold_counts_as_the_runs(source: Source) -> None:
    with _tree() as process:
        reading = source.read([process.pid])
        assert _HOLD < reading.own < 2 * _HOLD
        assert _HOLD <= reading.own_kept <= reading.own
    eventually(lambda: source.read([process.pid]).own == 0)


def test_a_process_that_is_named_twice_or_gone_changes_nothing(source: Source) -> None:
    with _tree() as process:
        once = source.read([process.pid]).own
        assert source.read([process.pid, process.pid]).own == pytest.approx(once, rel=0.1)
    assert source.read([process.pid]).own == 0


def test_a_script_plays_its_scenes_in_order_and_starts_anew_when_it_is_replaced(tmp_path: Path) -> None:
    script = tmp_path / "memory.json"
    script.write_text(json.dumps([{"total": "1GiB", "own": n * MIB} for n in (1, 2, 3)]))
    source = source_of(load_settings(memory_script=script))
    assert [source.read(()).own // MIB for _ in range(4)] == [1, 2, 3, 3]
    fresh = tmp_path / "fresh.json"
    fresh.write_text(json.dumps({"total": "1GiB", "own": "7MiB", "pressure": "critical"}))
    fresh.replace(script)
    assert (source.read(()).own, source.read(()).pressure) == (7 * MIB, "critical")


@pytest.mark.parametrize("text", ["", "[", '{"total": "many"}', '{"total": 1, "colour": "red"}', "[]"])
def test_a_script_that_cannot_be_read_is_explained(text: str, tmp_path: Path) -> None:
    script = tmp_path / "memory.json"
    script.write_text(text)
    with pytest.raises(ConfigError, match=r"memory\.json cannot be read"):
        source_of(load_settings(memory_script=script))
