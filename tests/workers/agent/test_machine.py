"""Which boot this is."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from workers.agent import machine


def test_a_mac_knows_its_boot_by_name_however_its_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr(machine, "sysctl_text", {"kern.bootsessionuuid": "1A2B"}.get)
    for moment in (29.9, 30.1):
        monkeypatch.setattr(psutil, "boot_time", lambda moment=moment: moment)
        assert machine.boot_id() == "1A2B"
