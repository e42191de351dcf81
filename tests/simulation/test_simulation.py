"""Whatever is killed, paused, lost or wiped: no job is lost, none counts twice, no memory is promised twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.postgres import Postgres
from tests.simulation.seed import play
from tests.simulation.stage import Stage

#: Twelve stories keep a processor busy for ten seconds, of which a busy machine makes minutes.
#: `make bench` plays thousands.
SEEDS, TOGETHER = 192, 12


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def postgres_stage(postgres_server: Postgres) -> Iterator[Stage]:
    opened = Stage(postgres_server.create("simulation"))
    yield opened
    opened.close()
    postgres_server.drop("simulation")


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_nothing_that_must_never_be_seen_is_seen(stage: Stage, first: int) -> None:
    for seed in range(first, first + TOGETHER):
        assert not play(seed, stage).violations, f"python -m tests.simulation --seed {seed} --trace"


@pytest.mark.postgres
@pytest.mark.parametrize("seed", range(10))
def test_nor_is_it_on_postgresql(postgres_stage: Stage, seed: int) -> None:
    assert not play(seed, postgres_stage).violations


def test_every_sort_of_fault_happens(stage: Stage) -> None:
    counts = sum((play(seed, stage).counts for seed in range(1, 25)), start=play(0, stage).counts)
    expected = {
        "agent killed", "agent paused", "answer lost", "failed load", "failure", "host cut off", "host rebooted",
        "late", "lost", "mistake", "redis replayed", "redis wiped", "resigned", "rolled back", "run killed",
        "scheduler killed", "scheduler paused", "slow plan", "twice", "unsent", "wild plan", "worker killed",
        "worker paused", "worker restarted", "zombie",
    }  # fmt: skip
    assert expected <= counts.keys()


@pytest.mark.parametrize("seed", [4, 7])
def test_a_seed_is_the_same_story_every_time(seed: int) -> None:
    stories = [_story(seed, hash_seed) for hash_seed in ("1", "2")]
    assert len(stories[0]) > 100
    assert stories[0] == stories[1]


def _story(seed: int, hash_seed: str) -> list[str]:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--trace"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if " s a seed" not in line]
