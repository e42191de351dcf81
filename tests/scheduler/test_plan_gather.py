"""What an exclusive job will load is brought together on one host, when no host has all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.decisions import Plan
from scheduler.plan import plan
from scheduler.reasons import Code
from scheduler.views import HostView, ModelView, RunView
from shared.units import GIB, MIB
from shared.vocabulary import Source
from tests.scheduler.carry import carried_out
from tests.scheduler.fleet import LLAMA, NOW, STORE, host, job, model, run, shape, snapshot

PAIR = (("qwen", None), ("phi", None))


def named(name: str, *hosts: str, gib: float = 4, **more: Any) -> ModelView:
    return model(name, gib, *hosts, **{"reference": f"hf:org/{name}@abc", **more})


def benches(
    *hosts: HostView,
    of: list[ModelView],
    acquires: tuple[tuple[str, str | None], ...] = PAIR,
    runs: list[RunView] | None = None,
    at: float = NOW - 1,
    **asks: Any,
) -> Plan:
    asked = shape(None, exclusive=True, acquires=acquires, **asks)
    return plan(snapshot(list(hosts), of, runs=runs or [], jobs=[job("b", asked, at=at)]))


def fetched(decided: Plan) -> dict[str, str]:
    return {fetch.model_id: fetch.host for fetch in decided.fetches}


STUDIO, MINI = host("studio"), host("mini")
APART = [named("qwen", "studio"), named("phi", "mini", gib=2)]


def test_models_on_two_hosts_come_together_where_less_has_to_be_brought() -> None:
    decided = benches(STUDIO, MINI, of=APART)
    assert fetched(decided) == {"phi": "studio"}
    assert not decided.reserves
    reason = decided.blocked_jobs["b"]
    assert (reason.code, reason.sentence) == (Code.FETCHING, "phi is being fetched to studio, 2.0 GiB from mini")


def test_a_benchmark_that_names_a_host_has_its_models_fetched_there() -> None:
    decided = benches(STUDIO, MINI, of=APART, host="mini")
    assert fetched(decided) == {"qwen": "mini"}


def test_what_no_host_has_comes_from_where_it_is_published() -> None:
    decided = benches(MINI, of=[named("qwen"), named("phi", reference="url:https://example.org/phi.gguf")])
    assert fetched(decided) == {"qwen": "mini", "phi": "mini"}
    sentence = "phi, qwen are being fetched to mini, 8.0 GiB from the hub and the web"
    assert decided.blocked_jobs["b"].sentence == sentence


def test_where_one_host_has_it_all_nothing_is_fetched() -> None:
    decided = benches(STUDIO, MINI, of=[named("qwen", "studio", "mini"), named("phi", "studio")])
    assert not decided.fetches
    assert [each.host for each in decided.reserves] == ["studio"]


def test_a_host_that_has_it_all_is_waited_for_first() -> None:
    both = [named("qwen", "studio"), named("phi", "studio")]
    down = host("studio", up=False)
    decided = benches(down, MINI, of=both, at=NOW - 5)
    assert not decided.fetches
    assert decided.blocked_jobs["b"].code == Code.DOWN
    assert fetched(benches(down, MINI, of=both, at=NOW - 500)) == {"qwen": "mini", "phi": "mini"}


def test_one_that_could_never_take_it_is_not_waited_for() -> None:
    both = [named("qwen", "studio"), named("phi", "studio")]
    tainted = host("studio", taints=("gpu=only",))
    assert fetched(benches(tainted, MINI, of=both)) == {"qwen": "mini", "phi": "mini"}


@pytest.mark.parametrize(
    "mini",
    [
        host("mini", 3),
        host("mini", 16, LLAMA),
        host("mini", 16, STORE),
        host("mini", up=False),
        host("mini", cordoned=True),
        host("mini", guard="closed"),
        host("mini", taints=("gpu=only",)),
        host("mini", reserved_by="other"),
        host("mini", disk_free=7 * GIB),
    ],
)  # fmt: skip
def test_nothing_is_fetched_to_a_host_that_would_not_do_the_job(mini: HostView) -> None:
    assert not benches(mini, of=[named("qwen"), named("phi")]).fetches


def test_nothing_is_fetched_beside_pinned_runs_that_leave_too_little() -> None:
    pinned = run("p", "other", "mini", held=14 * GIB, pinned=True)
    assert not benches(MINI, of=[named("qwen"), named("phi")], runs=[pinned]).fetches
    idle = replace(pinned, pinned=False)
    assert benches(MINI, of=[named("qwen"), named("phi")], runs=[idle]).fetches


@pytest.mark.parametrize("more", [{"reference": None}, {"tried": frozenset({"mini"})}])
def test_what_cannot_come_there_is_not_begun(more: dict[str, Any]) -> None:
    assert not benches(MINI, of=[named("qwen"), named("phi", **more)]).fetches


def test_two_models_come_at_a_time_and_the_job_is_told_of_all() -> None:
    of = [named(name, gib=1) for name in ("a", "b", "c")]
    decided = benches(MINI, of=of, acquires=tuple((each.id, None) for each in of))
    assert len(decided.fetches) == 2
    assert decided.blocked_jobs["b"].sentence == "a, b, c are being fetched to mini, 3.0 GiB from the hub"


def test_where_some_of_it_is_on_its_way_the_rest_follows() -> None:
    coming = frozenset({"mini"})
    of = [named("qwen", coming=coming, queued=coming), named("phi")]
    decided = benches(host("large", 64, disk_free=900 * GIB), MINI, of=of)
    assert fetched(decided) == {"phi": "mini"}


def test_the_host_to_which_they_come_soonest_is_chosen() -> None:
    asked = shape(None, exclusive=True, acquires=PAIR)
    seen = snapshot([STUDIO, MINI], [named("qwen"), named("phi")], jobs=[job("b", asked)])
    slow = replace(seen, transfers={("mini", Source.HUB): 1.0 * MIB, ("studio", Source.HUB): 50.0 * MIB})
    assert set(fetched(plan(slow)).values()) == {"studio"}


def test_once_carried_out_nothing_more_is_fetched() -> None:
    asked = shape(None, exclusive=True, acquires=PAIR)
    seen = snapshot([STUDIO, MINI], APART, jobs=[job("b", asked)])
    decided = plan(seen)
    after = plan(carried_out(seen, decided))
    assert not after.fetches
    assert after.blocked_jobs["b"] == decided.blocked_jobs["b"]


def test_a_model_that_is_gone_from_the_catalog_is_said_to_be() -> None:
    decided = benches(MINI, of=[named("qwen")])
    assert not decided.fetches
    assert decided.blocked_jobs["b"].code != Code.FETCHING
