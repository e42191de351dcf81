"""When a model is fetched to a host that lacks it, where to, and what whoever waits for it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from scheduler.decisions import Fetch, Plan
from scheduler.lines import line_up
from scheduler.options import find_options
from scheduler.plan import decide, plan
from scheduler.reasons import Code
from scheduler.views import AttemptView, HostView, JobView, ModelView, Rate, RunView, Snapshot
from scheduler.wishes import Wish
from shared.units import GIB, MIB
from shared.vocabulary import Source
from tests.scheduler.carry import carried_out
from tests.scheduler.fleet import LLAMA, MLX, NOW, STORE, busy, host, job, model, run, shape, snapshot
from tests.scheduler.test_plan_properties import snapshots

REFERENCE = "hf:org/qwen@abc"
LONG_AGO = NOW - 500
ASKS = shape()


def qwen(*hosts: str, gib: float = 4, **more: Any) -> ModelView:
    return model("qwen", gib, *hosts, reference=REFERENCE, **more)


def full(where: str = "studio") -> RunView:
    """A pinned run that leaves no room."""
    return run("full", "other", where, held=14 * GIB, pinned=True)


def waits(
    *hosts: HostView, of: ModelView, runs: list[RunView] | None = None, at: float = LONG_AGO, **asks: Any
) -> Plan:
    return plan(snapshot(list(hosts), [of], runs=runs or [], jobs=[job("a", shape(**asks), at=at)]))


def test_a_model_whose_host_is_full_is_fetched_to_one_with_room() -> None:
    decided = waits(host("studio"), host("mini"), of=qwen("studio"), runs=[full()])
    assert decided.fetches == (Fetch("qwen", "qwen", "mini", REFERENCE, 2),)
    reason = decided.blocked_jobs["a"]
    assert reason.code == Code.FETCHING
    assert reason.sentence == "qwen is being fetched to mini, 4.0 GiB from studio"


def test_it_waits_first_for_as_long_as_the_transfer_would_take() -> None:
    decided = waits(host("studio"), host("mini"), of=qwen("studio"), runs=[full()], at=NOW - 30)
    assert not decided.fetches
    assert decided.blocked_jobs["a"].code == Code.MEMORY


@pytest.mark.parametrize(("seconds", "fetched"), [(20.0, False), (300.0, True)])
def test_a_known_wait_is_held_against_the_transfer(seconds: float, *, fetched: bool) -> None:
    at_work = busy("r", "other", held=14 * GIB)
    seen = snapshot([host("studio"), host("mini")], [qwen("studio")], runs=[at_work], jobs=[job("a", at=LONG_AGO)])
    attempts = tuple(AttemptView(f"w{n}", 1, "r", 1, 2, NOW) for n in range(4))
    decided = plan(replace(seen, attempts=attempts, rates={("other", "llama-cpp"): Rate(job=seconds, load=1.0)}))
    assert bool(decided.fetches) is fetched


@pytest.mark.parametrize(
    ("measured", "fetched"),
    [
        ({}, True),
        ({("mini", Source.PEER): 1 * MIB}, False),
        ({("mini", Source.PEER): 1000 * MIB}, True),
        ({("studio", Source.PEER): 1 * MIB}, False),
        ({("studio", Source.PEER): 1 * MIB, ("mini", Source.PEER): 500 * MIB}, True),
        ({("mini", Source.HUB): 1 * MIB}, True),
    ],
)
def test_the_wait_is_held_against_what_transfers_to_that_host_took_lately(
    measured: dict[tuple[str, Source], float], *, fetched: bool
) -> None:
    """By guess 41 s, at 1 MiB/s more than an hour; a job ends in 100 s."""
    at_work = busy("r", "other", held=14 * GIB)
    seen = snapshot([host("studio"), host("mini")], [qwen("studio")], runs=[at_work], jobs=[job("a", at=NOW - 1)])
    attempts = tuple(AttemptView(f"w{n}", 1, "r", 1, 2, NOW) for n in range(4))
    rates = {("other", "llama-cpp"): Rate(job=100.0, load=1.0)}
    decided = plan(replace(seen, attempts=attempts, rates=rates, transfers=measured))
    assert bool(decided.fetches) is fetched


def test_what_only_the_catalog_has_comes_from_the_hub_at_once() -> None:
    decided = waits(host("mini"), of=qwen(), at=NOW)
    assert [fetch.host for fetch in decided.fetches] == ["mini"]
    assert decided.blocked_jobs["a"].sentence == "qwen is being fetched to mini, 4.0 GiB from the hub"


def test_a_job_that_names_a_host_has_its_model_fetched_there_at_once() -> None:
    decided = waits(host("studio"), host("mini"), of=qwen("studio"), at=NOW, host="mini")
    assert [fetch.host for fetch in decided.fetches] == ["mini"]


def test_a_host_that_is_down_for_a_moment_is_waited_for() -> None:
    hosts = host("studio", up=False), host("mini")
    assert not waits(*hosts, of=qwen("studio"), at=NOW - 5).fetches
    assert waits(*hosts, of=qwen("studio")).fetches


def test_a_barred_host_is_not_waited_for() -> None:
    decided = waits(host("studio"), host("mini"), of=qwen("studio", quarantined={"studio": "it crashed"}), at=NOW)
    assert [fetch.host for fetch in decided.fetches] == ["mini"]


@pytest.mark.parametrize(
    "mini",
    [
        host("mini", 3),
        host("mini", 16, MLX),
        host("mini", 16, LLAMA),
        host("mini", 16, STORE),
        host("mini", up=False),
        host("mini", cordoned=True),
        host("mini", guard="closed"),
        host("mini", thermal="critical"),
        host("mini", taints=("gpu=only",)),
        host("mini", reserved_by="other"),
        host("mini", disk_free=int(3.5 * GIB)),
    ],
)  # fmt: skip
def test_it_is_fetched_to_no_host_that_would_not_take_it(mini: HostView) -> None:
    assert not waits(host("studio"), mini, of=qwen("studio"), runs=[full()]).fetches


def test_it_is_not_fetched_where_it_was_tried_or_is_barred() -> None:
    for more in ({"tried": frozenset({"mini"})}, {"quarantined": {"mini": "it crashed"}}, {"reference": None}):
        of = replace(qwen("studio"), **more)
        assert not waits(host("studio"), host("mini"), of=of, runs=[full()]).fetches


def test_the_tightest_place_receives_it() -> None:
    decided = waits(host("studio"), host("large", 64), host("mini", 8), of=qwen("studio"), runs=[full()])
    assert [fetch.host for fetch in decided.fetches] == ["mini"]


def test_a_download_bears_the_taints_that_its_job_bears() -> None:
    mini = host("mini", taints=("gpu=only",))
    decided = waits(host("studio"), mini, of=qwen("studio"), runs=[full()], tolerations=("gpu=only",))
    assert decided.fetches[0].tolerations == ("gpu=only",)


def test_while_it_comes_nothing_more_is_fetched_and_the_job_is_told_the_same() -> None:
    first = waits(host("studio"), host("mini"), host("nano"), of=qwen("studio"), runs=[full()])
    [fetch] = first.fetches
    of = qwen("studio", coming=frozenset({fetch.host}))
    second = waits(host("studio"), host("mini"), host("nano"), of=of, runs=[full()])
    assert not second.fetches
    assert second.blocked_jobs["a"] == first.blocked_jobs["a"]


def test_one_host_receives_two_models_at_a_time() -> None:
    models = [model(f"m{n}", 1, reference=f"hf:org/m{n}") for n in range(4)]
    jobs = [job(f"j{n}", shape(f"m{n}")) for n in range(4)]
    assert len(plan(snapshot([host("mini")], models, jobs=jobs)).fetches) == 2


def test_what_is_on_its_way_leaves_less_room_for_the_next() -> None:
    models = [model(f"m{n}", 1, reference=f"hf:org/m{n}") for n in range(2)]
    jobs = [job(f"j{n}", shape(f"m{n}")) for n in range(2)]
    mini = host("mini", disk_free=int(1.5 * GIB))
    assert len(plan(snapshot([mini], models, jobs=jobs)).fetches) == 1
    coming = frozenset({"mini"})
    waiting = replace(models[0], coming=coming, queued=coming)
    assert not plan(snapshot([mini], [waiting, models[1]], jobs=jobs)).fetches
    # What a download at work will still fill is out of `disk_free` already: it is not counted twice.
    at_work = replace(models[0], coming=coming)
    assert [fetch.model_id for fetch in plan(snapshot([mini], [at_work, models[1]], jobs=jobs)).fetches] == ["m1"]


def test_a_pending_run_has_its_model_fetched_too() -> None:
    decided = plan(snapshot([host("mini")], [qwen()], runs=[run("r", where=None)]))
    assert [fetch.model_id for fetch in decided.fetches] == ["qwen"]
    assert decided.blocked_runs["r"].code == Code.FETCHING


def test_a_second_copy_is_fetched_when_the_queue_takes_longer_than_that() -> None:
    def fetches(waiting: int) -> Plan:
        jobs = [job(f"j{n:03}", ASKS) for n in range(waiting)]
        seen = snapshot([host("studio"), host("mini")], [qwen("studio")], runs=[busy("r")], jobs=jobs)
        return plan(replace(seen, rates={("qwen", "llama-cpp"): Rate(job=10.0, load=20.0)}))

    assert not fetches(10).fetches
    decided = fetches(100)
    assert [fetch.host for fetch in decided.fetches] == ["mini"]
    assert decided.blocked_jobs["j000"].code == Code.SLOTS
    assert decided.blocked_jobs["j000"].sentence.endswith("; qwen is being fetched to mini, 4.0 GiB from studio")


def _acquires(waiting: JobView, model_id: str) -> bool:
    return any(name == model_id for name, _ in waiting.shape.acquires)


def _fetchable(seen: Snapshot) -> Snapshot:
    models = {name: replace(each, reference=f"hf:org/{name}") for name, each in seen.models.items()}
    return replace(seen, models=models)


@settings(max_examples=100, deadline=None)
@given(snapshots())
def test_nothing_is_fetched_where_it_would_not_fit(drawn: Snapshot) -> None:
    seen = _fetchable(drawn)
    draft = decide(seen, line_up(seen))
    for fetch in draft.plan().fetches:
        receiver, fetched = seen.hosts[fetch.host], seen.models[fetch.model_id]
        assert receiver.up
        assert "store" in receiver.runtimes
        assert fetch.host not in fetched.hosts
        assert receiver.disk_free >= fetched.size
        there = replace(fetched, hosts=frozenset({fetch.host}))
        wishes = [Wish.of_shape(each.shape, there) for each in seen.jobs if each.shape.model_id == fetch.model_id]
        wishes += [Wish.of_run(each, there) for each in seen.runs if each.model_id == fetch.model_id]
        held = sum(each.held for each in seen.runs if each.host == fetch.host)
        needs = [option.need for wish in wishes for option in find_options(draft, wish)]
        # Whoever wants a host for itself has it emptied of all that is not pinned.
        whole = [Wish.of_shape(each.shape, there) for each in seen.jobs if _acquires(each, fetch.model_id)]
        pinned = sum(each.held for each in seen.runs if each.host == fetch.host and each.pinned)
        alone = [option.need for wish in whole for option in find_options(draft, wish)]
        assert needs or alone
        fits = bool(needs) and min(needs) <= receiver.budget - held
        assert fits or (bool(alone) and min(alone) <= receiver.budget - pinned)


@settings(max_examples=100, deadline=None)
@given(snapshots())
def test_once_carried_out_nothing_more_is_fetched(drawn: Snapshot) -> None:
    seen = _fetchable(drawn)
    decided = plan(seen)
    assert decided == plan(seen)
    after = carried_out(seen, decided)
    assert not plan(after).acts
    assert not plan(after).fetches
