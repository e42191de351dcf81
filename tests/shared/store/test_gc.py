"""Sweeping: what goes, what stays, and how much is free after it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from shared.store.gc import DEFAULT_AGE, Copy, Policy, Verdict, sweep

DAY = 86400.0
NOW = 1000 * DAY


def copy(name: str, days: float, size: int = 10, host: str = "mini", keep: str | None = None, **contents: int) -> Copy:
    return Copy(name, name, host, contents or {name: size}, NOW - days * DAY, keep)


def going(verdicts: list[Verdict]) -> list[str]:
    return [verdict.copy.model for verdict in verdicts if verdict.goes]


def test_without_a_wish_what_was_not_used_for_thirty_days_goes() -> None:
    verdicts = sweep([copy("old", 31), copy("new", 29)], Policy(), NOW, {})
    assert going(verdicts) == ["old"]
    assert [verdict.reason for verdict in verdicts] == ["not used for 31 days", "last used 29 days ago"]
    assert DEFAULT_AGE == 30 * DAY


def test_what_is_in_use_or_of_another_program_stays_whatever_is_wished() -> None:
    held = [copy("run", 99, keep="run r has it loaded"), copy("theirs", 99, keep="it belongs to ollama")]
    verdicts = sweep(held, Policy(older_than=0, keep_bytes=0, free_bytes=1000), NOW, {"mini": 0})
    assert going(verdicts) == []
    assert verdicts[0].reason == "run r has it loaded"


def test_a_target_is_reached_with_the_least_recently_used_and_no_more() -> None:
    copies = [copy("c", 1), copy("a", 3), copy("b", 2)]
    assert going(sweep(copies, Policy(keep_bytes=15), NOW, {})) == ["a", "b"]
    assert going(sweep(copies, Policy(keep_bytes=30), NOW, {})) == []


def test_pressure_counts_what_is_freed() -> None:
    copies = [copy("a", 3), copy("b", 2), copy("c", 1)]
    assert going(sweep(copies, Policy(free_bytes=25), NOW, {"mini": 10})) == ["a", "b"]
    assert going(sweep(copies, Policy(free_bytes=25), NOW, {})) == []


def test_shared_contents_are_free_only_with_their_last_holder() -> None:
    copies = [copy("one", 50, both=100, one=1), copy("two", 40, both=100, two=2), copy("new", 1, new=3)]
    verdicts = sweep(copies, Policy(), NOW, {})
    assert [(verdict.copy.model, verdict.frees) for verdict in verdicts] == [("one", 1), ("two", 102), ("new", 0)]


def test_each_host_is_swept_by_itself() -> None:
    copies = [copy("a", 3, host="mini"), copy("b", 2, host="studio")]
    assert going(sweep(copies, Policy(free_bytes=15), NOW, {"mini": 20, "studio": 10})) == ["b"]


@given(
    some.lists(some.tuples(some.integers(0, 90), some.integers(0, 50), some.booleans()), max_size=12),
    some.integers(0, 300),
)
def test_a_target_is_missed_only_when_nothing_more_may_go(rows: list[tuple[int, int, bool]], target: int) -> None:
    copies = [copy(str(i), days, size, keep="busy" if busy else None) for i, (days, size, busy) in enumerate(rows)]
    verdicts = sweep(copies, Policy(keep_bytes=target), NOW, {})
    left = sum(verdict.copy.size for verdict in verdicts if not verdict.goes)
    assert left <= target or all(verdict.goes or verdict.copy.keep for verdict in verdicts)
    assert not any(verdict.goes and verdict.copy.keep for verdict in verdicts)
