"""What rivals are told of hosts: the same that our plan goes by."""

from __future__ import annotations

from scheduler.simulate.board import Board
from shared.runs.learned import LearnedPeak
from tests.scheduler.fleet import LLAMA, host, job, model, snapshot

WAITS = job("waits")


def test_a_host_that_a_model_is_barred_from_is_no_place_for_it() -> None:
    barred = model("qwen", 4, "studio", "mini", quarantined={"studio": "it panicked"})
    board = Board(snapshot([host("studio"), host("mini")], [barred], jobs=[WAITS]))
    assert [each.name for each in board.hosts(WAITS)] == ["mini"]


def test_a_measured_peak_counts_for_more_than_the_estimate() -> None:
    plain = Board(snapshot([host("studio")], [model("qwen", 4, "studio")], jobs=[WAITS])).size(WAITS)
    need = plain.need.total
    peak = LearnedPeak(LLAMA.name, LLAMA.version, plain.context, plain.slots, "", 5 * need, need)
    learned = model("qwen", 4, "studio", learned=(peak,))
    board = Board(snapshot([host("studio"), host("large", 64)], [learned], jobs=[WAITS]))
    assert board.size(WAITS).need.total > 5 * need
    assert [each.name for each in board.hosts(WAITS)] == ["large"]
