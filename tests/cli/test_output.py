"""What commands print."""

from __future__ import annotations

import json
import sys
import time
from operator import itemgetter

import pytest

from cli.output import Column, show_facts, show_list
from cli.phrases import ago, amount, iso, span

COLUMNS = (Column("NAME", lambda one: one["name"]), Column("SIZE", lambda one: str(one["size"]), right=True))
THINGS = [{"name": "a", "size": 5}, {"name": "a-long-name", "size": 12345}]


def test_a_table_away_from_a_terminal_is_aligned_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    show_list(THINGS, COLUMNS, as_json=False, empty="none")
    assert capsys.readouterr().out == "NAME          SIZE\na                5\na-long-name  12345\n"


@pytest.mark.parametrize("width", ["80", "20"])
def test_a_narrow_terminal_never_cuts_what_other_commands_need(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", width)
    names = ("id", "a", "b", "prefix", "c")
    columns = [Column(name.upper(), itemgetter(name), whole=name == "prefix") for name in names]
    show_list([{name: f"{name}-{'x' * 20}" for name in names}], columns, as_json=False, empty="none")
    row = capsys.readouterr().out.splitlines()[-1]
    assert f"id-{'x' * 20}" in row
    assert f"prefix-{'x' * 20}" in row
    assert f"a-{'x' * 20}" not in row
    assert len(row.rstrip()) == max(int(width), 76)


def test_json_is_one_object_per_line_with_everything_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_list(THINGS, COLUMNS, as_json=True, empty="none")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == THINGS


def test_an_empty_table_says_what_to_do_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_list([], COLUMNS, as_json=False, empty="Make one.")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Make one.\n")


def test_facts_leave_out_what_is_empty_and_indent_what_is_long(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts([("id", "x"), ("none", ""), ("lines", "one\ntwo")])
    assert capsys.readouterr().out == "id     x\nlines  one\n       two\n"


def test_what_others_wrote_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts([("name", "\x1b]0;owned\x07\x1b[2Ja\rb\u202etxt")])
    show_list([{"name": "\x1b[31mred\x9b0m", "size": 1}], COLUMNS, as_json=False, empty="none")
    facts, _, row = capsys.readouterr().out.splitlines()
    assert facts == "name  �]0;owned��[2Ja�b�txt"
    assert row.startswith("�[31mred�0m  ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.042, "0.042 s"),
        (3.14, "3.1 s"),
        (59, "59 s"),
        (150, "2 min 30 s"),
        (1500, "25 min"),
        (7200, "2 h"),
        (1e6, "12 d"),
    ],
)
def test_spans_read_well(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments_and_amounts_read_well() -> None:
    assert ago(time.time() - 120) == "2 min ago"
    assert ago(None) == iso(None) == span(None) == ""
    assert iso(0) == "1970-01-01T00:00:00+00:00"
    assert amount(1536, "bytes") == "1.5 KiB"
    assert amount(12, "items") == "12 items"
