"""What a host is called when nobody says it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shared.settings import Settings


def _name(monkeypatch: pytest.MonkeyPatch, home: Path, machine: str) -> str:
    monkeypatch.delenv("CIDERMILL_HOST_NAME", raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    return Settings(home=home).host_name


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("Studio.local", "studio"),
        ("Studio_2.local", "studio-2"),
        ("Anna’s Mac mini", "anna-s-mac-mini"),
        ("-", "localhost"),
        ("a" * 80, "a" * 63),
    ],
)
def test_any_name_of_a_machine_is_made_one_for_the_fleet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, name: str
) -> None:
    assert _name(monkeypatch, tmp_path, machine) == name


def test_a_machine_that_has_joined_keeps_its_name_whatever_the_network_calls_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = Settings(home=tmp_path, host_name="studio").token_file
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    assert _name(monkeypatch, tmp_path, "dhcp-10-0-3-17.corp.example") == "studio"
    other = Settings(home=tmp_path, host_name="mini").token_file
    other.parent.mkdir(parents=True)
    other.write_text("secret")
    assert _name(monkeypatch, tmp_path, "mini.local") == "mini", (
        "two have joined here: the machine's own name says which"
    )
