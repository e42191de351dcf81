"""Who gets how much of what everybody wants, over a long run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.rank import OLDEST_TURN
from scheduler.views import QueueView, Rate
from tests.scheduler.drive import World
from tests.scheduler.fleet import NOW, host, job, model, run, shape

QWEN = model("qwen", 4, "studio")


def world(weights: dict[str, float], *, slots: int = 1) -> World:
    queues = {name: QueueView(name, weight) for name, weight in weights.items()}
    runs = {"r": run("r", slots=slots, pinned=True)}
    return World({"studio": host("studio", 16)}, {"qwen": QWEN}, runs, queues)


def backlog(at: World, each: int, *, rank: int = 2) -> None:
    for queue in at.queues:
        asks = shape(queue=queue, rank=rank)
        at.submit(job(f"{queue}/{n:05}", asks, at=NOW - 10) for n in range(each))


def served(at: World, first: int = 0) -> Counter[str]:
    return Counter(job_id.split("/")[0] for job_id in at.begun[first:])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(1, 4))
def test_shares_follow_the_weights_within_a_twentieth(weights: list[int], slots: int) -> None:
    at = world({f"key:{n}": float(weight) for n, weight in enumerate(weights)}, slots=slots)
    backlog(at, 600)
    while len(at.begun) < 40 * sum(weights):
        at.step(1.0)
    for name, number in served(at).items():
        expected = len(at.begun) * at.queues[name].weight / sum(weights)
        assert number == pytest.approx(expected, rel=0.05, abs=2)


def test_labels_share_as_keys_do() -> None:
    at = world({"label:team=a": 3.0, "key:k1": 1.0})
    backlog(at, 300)
    while len(at.begun) < 200:
        at.step(1.0)
    assert served(at)["label:team=a"] == pytest.approx(150, abs=3)


def test_who_comes_late_or_comes_back_saves_nothing_up() -> None:
    at = world({"key:a": 1.0, "key:b": 1.0})
    at.submit(job(f"key:a/{n:05}", shape(queue="key:a"), at=NOW) for n in range(1))
    asks = {name: shape(queue=name) for name in at.queues}
    at.submit(job(f"key:a/{n:05}", asks["key:a"], at=NOW) for n in range(1000))
    for _ in range(100):
        at.step(1.0)
    at.submit(job(f"key:b/{n:05}", asks["key:b"], at=at.now) for n in range(1000))
    before = len(at.begun)
    for _ in range(100):
        at.step(1.0)
    assert served(at, before)["key:b"] == pytest.approx(50, abs=3)


def test_long_jobs_use_more_of_a_share_than_short_ones() -> None:
    at = world({"key:a": 1.0, "key:b": 1.0})
    at.models["slow"] = model("slow", 4, "studio")
    at.runs["s"] = run("s", "slow", slots=1, pinned=True)
    at.rates = {("qwen", "llama-cpp"): Rate(job=1.0, load=1.0), ("slow", "llama-cpp"): Rate(job=9.0, load=1.0)}
    both = shape("qwen", queue="key:a")
    at.submit(job(f"key:a/{n:05}", both, at=NOW) for n in range(400))
    at.submit(job(f"key:b/{n:05}", shape("qwen", queue="key:b"), at=NOW) for n in range(400))
    at.submit(job(f"key:b/slow{n:05}", shape("slow", queue="key:b"), at=NOW) for n in range(400))
    for _ in range(100):
        at.step(1.0)
    on_qwen = Counter(j.split("/")[0] for j in at.begun if "slow" not in j)
    assert on_qwen["key:a"] > 1.5 * on_qwen["key:b"]


def test_nobody_is_overtaken_for_ever() -> None:
    """With urgent work without end, the one that waits longest is behind at most `OLDEST_TURN` others each time."""
    at = world({"key:a": 1.0, "key:b": 1.0})
    asks, urgent = shape(queue="key:b", rank=4), shape(queue="key:a", rank=0)
    patient = [job(f"old/{n}", asks, at=NOW - 10 + n) for n in range(3)]
    at.submit(patient)
    for number in range(200):
        at.submit([job(f"urgent/{number:05}", urgent, at=at.now)])
        at.submit([job(f"urgent/{number:05}x", urgent, at=at.now)])
        at.step(1.0)
    for place, each in enumerate(patient):
        assert at.begun.index(each.id) <= (place + 1) * OLDEST_TURN


def test_age_makes_work_more_urgent_but_never_as_urgent_as_a_person() -> None:
    at = world({"key:a": 1.0})
    at.submit([job("old", shape(rank=4), at=NOW - 1900), job("high", shape(rank=1), at=NOW - 5)])
    at.submit([job("person", shape(rank=0), at=NOW - 1), job("normal", shape(rank=2), at=NOW - 9)])
    for _ in range(4):
        at.step(1.0)
    assert at.begun == ["person", "old", "high", "normal"]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 4))
def test_limits_are_never_exceeded_and_paused_parts_never_served(key: int, kind: int, slots: int) -> None:
    at = world({"key:a": 1.0, "key:b": 1.0, "key:c": 1.0}, slots=slots)
    at.queues["key:a"] = replace(at.queues["key:a"], max_running=key)
    at.queues["key:c"] = replace(at.queues["key:c"], paused=True)
    at.queues["kind:chat"] = QueueView("kind:chat", max_running=kind)
    for queue in ("key:a", "key:b", "key:c"):
        at.submit(job(f"{queue}/{n}", shape(queue=queue, kind="chat"), at=NOW) for n in range(20))
    for _ in range(30):
        decided = at.step(1.0)
        running = Counter(job_id.split("/")[0] for job_id in at.at_work)
        assert running["key:a"] <= key
        assert running["key:c"] == 0
        assert sum(running.values()) <= kind
    assert "key:c is paused" in {reason.sentence for reason in decided.blocked_jobs.values()}


def test_a_limit_says_its_numbers() -> None:
    at = world({"key:a": 1.0}, slots=4)
    at.queues["key:a"] = replace(at.queues["key:a"], max_running=1)
    at.submit(job(f"key:a/{n}", shape(queue="key:a"), at=NOW) for n in range(2))
    decided = at.step()
    assert decided.blocked_jobs["key:a/1"].sentence == "1 of at most 1 jobs of key:a are at work"
