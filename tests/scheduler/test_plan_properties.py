"""What holds for every plan, whatever the fleet and the queue look like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.decisions import MEMORY_GUARD, NewRun
from scheduler.plan import plan
from scheduler.views import (
    AttemptView,
    HostView,
    JobView,
    LaneView,
    LoadView,
    QueueView,
    Rate,
    RunView,
    Shape,
    Snapshot,
)
from shared.errors import OutOfMemory, UnsupportedModel
from shared.runtimes import RunSpec
from shared.units import GIB
from shared.vocabulary import RunState
from tests.scheduler.carry import carried_out
from tests.scheduler.fleet import LLAMA, MLX, NOW, STORE, download, host, job, model, run, shape, snapshot

HOSTS = ("alpha", "beta", "gamma")
MODELS = {"small": 1, "middle": 5, "large": 12}
_STATES = [state for state in RunState if state not in (RunState.STOPPED,)]
_PROBLEMS = [UnsupportedModel("no").problem, OutOfMemory("no").problem, None]

hosts = st.builds(
    lambda name, gib, up, draining, reserved, runtimes, more: host(
        name, gib, *runtimes, up=up, draining=draining, reserved_by=reserved, **more
    ),
    st.just("?"),
    st.integers(2, 32),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, None, None, "j0", "elsewhere"]),
    st.sampled_from([(LLAMA, STORE), (LLAMA, MLX, STORE), (MLX,)]),
    st.fixed_dictionaries(
        {
            "guard": st.sampled_from(["open", "open", "open", "closed", "shedding"]),
            "thermal": st.sampled_from([None, "fair", "critical"]),
            "taints": st.sampled_from([(), (), ("gpu=only",)]),
            "labels": st.sampled_from([{}, {"room": "a"}]),
            "apart": st.sampled_from([frozenset(), frozenset(), frozenset({"team=a"})]),
        }
    ),
)


@st.composite
def runs(draw: st.DrawFn, number: int) -> RunView:
    where = draw(st.sampled_from([*HOSTS, None]))
    slots = draw(st.integers(1, 4))
    used = draw(st.integers(0, slots))
    state = draw(st.sampled_from(_STATES)) if where else RunState.PENDING
    ready = state == RunState.READY
    owner = draw(st.sampled_from([None, None, None, "j0", "gone"]))
    return run(
        f"r{number}",
        draw(st.sampled_from([*MODELS])),
        where,
        state=state,
        slots=slots,
        used=used if ready and not owner else 0,
        attempts=used if ready and not owner else 0,
        held=draw(st.integers(0, 8)) * GIB if where else 0,
        pinned=draw(st.booleans()),
        streaming=draw(st.sampled_from([False, False, True])) and ready,
        last_used_at=NOW - draw(st.integers(0, 600)),
        rank=draw(st.integers(0, 4)),
        owner_job=owner,
        owner_live=owner != "gone",
    )


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    rank = draw(st.integers(0, 4))
    more = {
        "queue": draw(st.sampled_from(["key:a", "key:b", "label:team=c"])),
        "preemptible": draw(st.booleans()),
        "selector": draw(st.sampled_from([(), (), (("room", "a"),)])),
        "tolerations": draw(st.sampled_from([(), ("gpu=only",)])),
        "avoid": draw(st.sampled_from([None, None, "team=a"])),
    }
    wanted = draw(st.sampled_from([None, None, None, *HOSTS, "nowhere"]))
    kind = draw(st.sampled_from(["run", "run", "run", "store", "exclusive"]))
    if kind == "store":
        return download("?", gib=draw(st.integers(0, 200)), rank=rank, host=wanted, **more).shape
    if kind == "exclusive":
        acquires = tuple((draw(st.sampled_from([*MODELS])), None) for _ in range(draw(st.integers(0, 2))))
        return shape(None, rank, host=wanted, exclusive=True, acquires=acquires, **more)
    spec = RunSpec(context=draw(st.sampled_from([None, 1024, 8192])))
    return shape(draw(st.sampled_from([*MODELS, "gone"])), rank, host=wanted, spec=spec, **more)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    fleet = [replace(draw(hosts), name=name) for name in HOSTS[: draw(st.integers(0, 3))]]
    names = {each.name for each in fleet}
    placed = [draw(runs(number)) for number in range(draw(st.integers(0, 6)))]
    asked = draw(st.lists(shapes(), min_size=1, max_size=4))
    waiting = [
        job(f"j{n}", draw(st.sampled_from(asked)), at=NOW - draw(st.integers(0, 90)), slots=draw(st.integers(1, 6)))
        for n in range(draw(st.integers(0, 12)))
    ]
    models = [
        model(name, gib, *draw(st.sets(st.sampled_from(HOSTS)))) for name, gib in zip(MODELS, (1, 5, 12), strict=True)
    ]
    loads = [
        LoadView(draw(st.sampled_from([*MODELS])), "llama-cpp", NOW - age, draw(st.sampled_from(_PROBLEMS)))
        for age in draw(st.lists(st.integers(0, 99), max_size=4).map(sorted))
    ]
    lanes = {(name, "store"): LaneView(used, used) for name in names if (used := draw(st.integers(0, 2)))}
    known = [each for each in placed if each.host is None or each.host in names]
    attempts = tuple(draw(attempts_of(each)) for each in known if each.attempts == 1)
    seen = snapshot(fleet, models, runs=known, jobs=waiting, lanes=lanes, loads=loads)
    return replace(seen, attempts=attempts, rates=draw(rates), queues=draw(queues))


@st.composite
def attempts_of(draw: st.DrawFn, on: RunView) -> AttemptView:
    rank, able, going = draw(st.integers(2, 4)), draw(st.booleans()), draw(st.booleans())
    began = NOW - draw(st.integers(0, 60))
    return AttemptView(f"at-{on.id}", 1, on.id, on.used, rank, began, able, able and going, draw(st.integers(0, 3)))


rates = st.dictionaries(
    st.tuples(st.sampled_from([*MODELS]), st.just("llama-cpp")),
    st.builds(Rate, st.sampled_from([None, 0.5, 30.0]), st.sampled_from([None, 2.0])),
)
queues = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds(
            QueueView, st.just(name), st.sampled_from([1.0, 3.0]), st.floats(0, 50),
            st.sampled_from([None, None, 1, 3]), st.integers(0, 2), st.sampled_from([False, False, False, True]),
        )
        for name in ("key:a", "key:b", "label:team=c", "class:normal", "all")
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_what_runs_hold_never_grows_beyond_the_budget(seen: Snapshot) -> None:
    held = Counter({each.host: 0 for each in seen.runs})
    for each in seen.runs:
        held[each.host] += each.held
    for start in plan(seen).starts:
        held[start.host] += start.size.need.total
        assert held[start.host] <= seen.hosts[start.host].budget


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_no_run_gives_more_slots_than_it_has_and_no_lane_more_places(seen: Snapshot) -> None:
    by_id = {each.id: each for each in seen.runs}
    used = Counter({each.id: each.used for each in seen.runs})
    places = Counter({lane: view.without_run for lane, view in seen.lanes.items()})
    exclusive = {each.id for each in seen.jobs if each.shape.exclusive}
    for given_ in plan(seen).assigns:
        if given_.run_id is not None:
            used[given_.run_id] += given_.slots
            assert given_.slots >= 1
            assert by_id[given_.run_id].state == RunState.READY
            assert used[given_.run_id] <= by_id[given_.run_id].slots
        elif given_.job_id not in exclusive:
            places[given_.host, given_.runtime] += 1
            assert places[given_.host, given_.runtime] <= STORE.lane_slots


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_runs_at_work_or_pinned_or_starting_are_never_stopped(seen: Snapshot) -> None:
    decided = plan(seen)
    by_id = {each.id: each for each in seen.runs}
    at_work = {each.run_id for each in decided.assigns}
    assert len({stop.run_id for stop in decided.stops}) == len(decided.stops)
    for stop in decided.stops:
        stopped = by_id[stop.run_id]
        if stop.reason == MEMORY_GUARD:
            assert seen.hosts[stopped.host or ""].guard == "shedding"
            continue
        assert stopped.attempts == 0
        assert stopped.id not in at_work
        if stopped.owner_live:
            assert stopped.state == RunState.READY
            assert not any((stopped.pinned, stopped.streaming, stopped.owner_job))


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_whatever_waits_is_helped_or_told_why_not_and_never_both(seen: Snapshot) -> None:
    decided = plan(seen)
    jobs = [each.job_id for each in decided.assigns] + list(decided.failures) + list(decided.blocked_jobs)
    assert sorted(jobs) == sorted(each.id for each in seen.jobs)
    waiting = {
        each.id for each in seen.runs if each.state == RunState.PENDING and each.host is None and each.owner_live
    }
    placed = [start.run for start in decided.starts if isinstance(start.run, str)]
    assert sorted([*placed, *decided.blocked_runs]) == sorted(waiting)
    for reason in (*decided.blocked_jobs.values(), *decided.blocked_runs.values()):
        assert reason.sentence
        assert reason.as_json()["code"] == reason.code


@settings(max_examples=150, deadline=None)
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_same_facts_in_another_order_give_the_same_plan(seen: Snapshot, chance: object) -> None:
    shuffled = list(seen.jobs)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first, again = plan(seen), plan(replace(seen, jobs=tuple(shuffled)))
    assert first == again


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_nobody_overtakes_a_job_that_asks_for_the_same(seen: Snapshot) -> None:
    """Of two jobs of equal wish, the one that is further behind is never assigned while the other waits."""
    assigned = {each.job_id for each in plan(seen).assigns}
    for first in seen.jobs:
        for second in seen.jobs:
            behind = (first.queued_at, first.id) < (second.queued_at, second.id)
            if first.shape is second.shape and behind and second.id in assigned and not first.shape.exclusive:
                assert first.id in assigned or (first.shape.model_id is not None and _failed(seen, first))


def _failed(seen: Snapshot, waiting: JobView) -> bool:
    return waiting.id in plan(seen).failures


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_work_goes_only_to_hosts_that_take_it(seen: Snapshot) -> None:
    decided = plan(seen)
    exclusive = {each.id for each in seen.jobs if each.shape.exclusive}
    reserved = {each.host: each.job_id for each in decided.reserves}
    for given_ in decided.assigns:
        where: HostView = seen.hosts[given_.host]
        assert where.up
        assert given_.runtime in where.runtimes
        owner = where.reserved_by or reserved.get(given_.host)
        assert owner in (None, given_.job_id) or (given_.job_id not in exclusive and where.reserved_by is None)
        assert where.open or owner == given_.job_id
    for start in decided.starts:
        assert seen.hosts[start.host].up


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_a_plan_starts_a_model_at_most_once_on_a_host(seen: Snapshot) -> None:
    new = [
        (s.host, s.run.model, s.run.spec.context, s.run.rank) for s in plan(seen).starts if isinstance(s.run, NewRun)
    ]
    assert len(new) == len(set(new))


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_once_carried_out_a_plan_decides_nothing_new(seen: Snapshot) -> None:
    again = plan(carried_out(seen, plan(seen)))
    assert not again.acts
