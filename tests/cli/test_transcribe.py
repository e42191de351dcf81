"""Recordings from the command line: what is written, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.conftest import Mill
from tests.recordings import tone

pytestmark = pytest.mark.e2e


def test_a_transcript_is_text_or_a_file_and_with_json_the_job(mill: Mill, tmp_path: Path) -> None:
    said = ("transcribe", str(tmp_path / tone(tmp_path / "tone.wav", 1)), "--model", "echo")
    text, output = mill(*said), tmp_path / "text.txt"
    assert text.returncode == Exit.OK, text.stderr
    assert mill(*said, "-o", str(output)).returncode == Exit.OK
    assert output.read_text().strip() == text.stdout.strip()
    assert mill.json(*said)["state"] == "succeeded"


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(mill: Mill, tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "missing" / "text.txt"):
        done = mill("transcribe", "no-such-recording", "-o", str(output))
        assert done.returncode == Exit.FAILED
        assert f"{output} cannot be written" in done.stderr
