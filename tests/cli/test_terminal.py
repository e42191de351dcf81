"""What others said, on a terminal and in a pipe."""

from __future__ import annotations

import sys

import pytest

from cli.explanation import show_explanation
from cli.terminal import speech

_ORDER = "\x1b]0;mine\x07words\n"


def test_a_model_commands_no_terminal_and_a_pipe_gets_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert speech(_ORDER) == _ORDER
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert speech(_ORDER) == "\ufffd]0;mine\ufffdwords\n"


def test_what_somebody_named_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_explanation({"sentence": f"It waits for {_ORDER}", "code": None})
    assert "\x1b" not in capsys.readouterr().out
