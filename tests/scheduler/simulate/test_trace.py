"""Traces as files: those that ship, and those that people write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scheduler.simulate.generate import generate, names
from scheduler.simulate.shipped import open_trace, shipped
from scheduler.simulate.trace import read_trace, write_trace
from shared.errors import InvalidParameters, NotFound
from shared.units import GIB

WRITTEN = {
    "name": "mine",
    "hosts": [{"name": "studio", "budget": "48GiB", "disk_rate": "5GiB"}],
    "models": [{"name": "qwen", "size": "4GiB", "memory": "5GiB", "slots": 4}],
    "jobs": [{"at": 0, "model": "qwen", "seconds": 12, "priority": "batch", "key": "ann", "checkpoint": 5}],
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps(WRITTEN | changes))
    return path


def test_sizes_may_be_written_as_people_say_them(tmp_path: Path) -> None:
    assert read_trace(written(tmp_path)).hosts[0].budget == 48 * GIB


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    trace = generate("failures", seed=7)
    path = tmp_path / "mine.json"
    path.write_text(write_trace(trace))
    assert read_trace(path) == trace


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jobs": [{"at": 0, "model": "gemma", "seconds": 1}]}, "job 1 asks for gemma, which is no model of the trace"),
        ({"models": [{"name": "qwen", "size": "4GiB", "memory": "64GiB"}]}, "qwen fits on no host"),
        ({"hosts": WRITTEN["hosts"] * 2}, "studio is there twice"),  # type: ignore[operator]
        ({"jobs": [{"at": -1, "model": "qwen", "seconds": 1}]}, "jobs.0.at"),
        ({"jbos": []}, "jbos"),
        ({"hosts": [{"name": "s", "budget": "9GiB", "disk_rate": "1GiB", "down": [[5, 3]]}]}, "in order"),
        ({"hosts": [{"name": "s", "budget": "much", "disk_rate": "1GiB"}]}, "hosts.0.budget"),
    ],
)
def test_a_trace_that_makes_no_sense_says_where(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidParameters, match="is not a trace") as caught:
        read_trace(written(tmp_path, **changes))
    assert said in caught.value.problem.why


def test_an_unknown_trace_suggests_the_nearest() -> None:
    with pytest.raises(NotFound, match="did you mean steady"):
        open_trace("stead")


@pytest.mark.parametrize("name", names())
def test_shipped_traces_are_what_the_generators_draw(name: str) -> None:
    assert open_trace(name) == generate(name)
    assert name in shipped()


@pytest.mark.parametrize("name", names())
def test_another_seed_draws_another_trace_and_the_same_seed_the_same(name: str) -> None:
    assert generate(name, 2) == generate(name, 2) != generate(name, 3)
