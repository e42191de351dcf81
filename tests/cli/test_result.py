"""Results of jobs as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from cli.result import show_result

_HEARD: dict[str, Any] = {
    "items": 3, "succeeded": 2, "failed": 1, "duration": 90.0, "seconds": 9.0, "rtfx": 10.0, "output_file": "file_1",
}  # fmt: skip


def shown(capsys: pytest.CaptureFixture[str], **result: Any) -> dict[str, str]:
    show_result({"kind": "transcriptions", "result": _HEARD | result})
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_many_recordings_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(capsys, joules=812.4)
    assert told["recordings"] == "2 of 3 heard"
    assert told["speed"] == "10.0 seconds of audio a second"
    assert (told["energy"], told["output"]) == ("812 J", "file_1")


def test_energy_that_nobody_measured_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert "energy" not in shown(capsys)
