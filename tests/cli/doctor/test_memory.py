"""What `cidermill doctor` says of this machine's memory, with memory that follows a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.doctor.finding import Finding, Status
from cli.doctor.memory import check_memory
from shared.settings import load_settings


def _findings(tmp_path: Path, scene: dict[str, Any], **settings: Any) -> list[Finding]:
    script = tmp_path / "memory.json"
    script.write_text(json.dumps(scene))
    return list(check_memory(load_settings(memory_script=script, **settings)))


def test_ceiling_mode_and_wired_limit_are_named(tmp_path: Path) -> None:
    scene = {"total": "64GiB", "others": "4GiB", "metal_cap": "51GiB"}
    memory, wired = _findings(tmp_path, scene, memory_mode="aggressive", wired_memory="weights")
    assert memory.status == wired.status == Status.OK
    assert "mode aggressive, ceiling 51.0 GiB" in memory.says
    assert "all that the GPU may wire" in memory.says
    assert wired.says == "weights; the GPU may wire 51.0 GiB"


def test_a_machine_that_is_short_of_memory_is_warned_of(tmp_path: Path) -> None:
    memory, _ = _findings(tmp_path, {"total": "16GiB", "others": "15GiB", "pressure": "critical"})
    assert memory.status == Status.WARN
    assert "memory is short (critical)" in memory.says
    assert memory.fix
