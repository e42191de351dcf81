"""How the last boot ended: by the agent's mark, and by what macOS writes when its kernel panics."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from workers.agent.last_boot import BootMark, MacReports, NoReports

WORDS = 'panic(cpu 4 caller 0xfffffe00): "watchdog timeout: no checkins" @watchdog.c:1\nDebugger message: panic\n'


@pytest.fixture
def mark(tmp_path: Path) -> BootMark:
    return BootMark(tmp_path / "agent" / "boot.json")


def write_report(folder: Path, name: str, text: str, *, at: float) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    os.utime(path, (at, at))


def full_report(words: str) -> str:
    """As macOS writes it: a line about the report, then the report, both JSON."""
    return json.dumps({"bug_type": "210"}) + "\n" + json.dumps({"build": "macOS 26.1", "panicString": words}, indent=1)


def test_a_host_that_never_had_an_agent_ended_well(mark: BootMark) -> None:
    assert mark.unclean_end("boot-1", NoReports()) is None


def test_an_agent_that_starts_again_in_the_same_boot_is_no_news(mark: BootMark) -> None:
    mark.leave("boot-1")
    assert mark.unclean_end("boot-1", NoReports()) is None


def test_a_boot_after_a_clean_end_is_no_news(mark: BootMark) -> None:
    mark.leave("boot-1")
    mark.clear()
    mark.clear()
    assert mark.unclean_end("boot-2", NoReports()) is None


def test_a_boot_under_a_living_agent_is_told_until_another_mark_is_left(mark: BootMark) -> None:
    mark.leave("boot-1")
    for _ in range(2):
        assert mark.unclean_end("boot-2", NoReports()) == "the host went down without its agent having stopped"
    mark.leave("boot-2")
    assert mark.unclean_end("boot-2", NoReports()) is None


def test_a_mark_that_was_cut_off_by_the_crash_tells_nothing(mark: BootMark) -> None:
    mark.leave("boot-1")
    mark.path.write_text('{"boot')
    assert mark.unclean_end("boot-2", NoReports()) is None


def test_the_newest_panic_report_says_what_it_was(mark: BootMark, tmp_path: Path) -> None:
    mark.leave("boot-1")
    left = mark.path.stat().st_mtime
    reports = tmp_path / "reports"
    write_report(reports, "panic-full-1.panic", full_report("an older one"), at=left + 10)
    write_report(reports, "panic-full-2.panic", full_report(WORDS), at=left + 20)
    write_report(reports, "safari.crash", "no panic", at=left + 30)
    said = mark.unclean_end("boot-2", MacReports(reports))
    assert said == 'the host panicked (panic(cpu 4 caller 0xfffffe00): "watchdog timeout: no checkins" @watchdog.c:1)'


def test_a_report_of_a_panic_before_the_agent_lived_says_nothing(mark: BootMark, tmp_path: Path) -> None:
    mark.leave("boot-1")
    write_report(tmp_path / "reports", "old.panic", full_report(WORDS), at=mark.path.stat().st_mtime - 10)
    assert mark.unclean_end("boot-2", MacReports(tmp_path / "reports")) == (
        "the host went down without its agent having stopped"
    )


def test_a_report_in_plain_words_is_read_too(tmp_path: Path) -> None:
    write_report(tmp_path, "Kernel-2026.panic", "\n  Anonymous UUID\nmore\n", at=100.0)
    assert MacReports(tmp_path).newest(50.0) == "Anonymous UUID"


def test_long_words_are_cut(tmp_path: Path) -> None:
    write_report(tmp_path, "long.panic", full_report("x" * 5000), at=100.0)
    assert MacReports(tmp_path).newest(0.0) == "x" * 200


def test_a_folder_that_is_not_there_or_not_ours_to_read_has_no_reports(tmp_path: Path) -> None:
    assert MacReports(tmp_path / "none").newest(0.0) is None
