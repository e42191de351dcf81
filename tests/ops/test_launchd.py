"""The launchd jobs are well formed, and the wired limit they set leaves macOS enough."""

from __future__ import annotations

import os
import plistlib
import subprocess
from pathlib import Path

import pytest

from shared.units import GIB
from tests.docs.reading import Page

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "ops" / "launchd"
_GUIDE = Page(_ROOT / "docs" / "guides" / "mac-service.md")


def _limit(memory: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = ("/bin/sh", str(_FOLDER / "wired-limit"), "--dry-run", "--memory", str(memory), *options)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("*.plist")), ids=lambda path: path.stem)
def test_each_job_is_named_like_its_file_and_starts_at_load(path: Path) -> None:
    job = plistlib.loads(path.read_bytes())
    assert job["Label"] == path.stem
    assert job["RunAtLoad"] is True
    assert job["ProgramArguments"][0].startswith(("/", "INSTALL_FOLDER/"))


@pytest.mark.parametrize("command", ["agent", "up"])
def test_the_guide_hands_launchd_a_program_that_is_there(tmp_path: Path, command: str) -> None:
    home, installed = tmp_path / "home", tmp_path / "it's here"
    program = installed / ".venv" / "bin" / "cidermill"
    program.parent.mkdir(parents=True)
    program.touch()
    (installed / "ops").symlink_to(_ROOT / "ops")
    (block,) = (block for block in _GUIDE.blocks("sh") if f"launchd/com.cidermill.{command}.plist" in block)
    lines = "\n".join(line for line in block.splitlines() if not line.startswith("launchctl "))
    subprocess.run(["/bin/sh", "-euc", lines], check=True, cwd=installed, env=os.environ | {"HOME": str(home)})
    job = plistlib.loads((home / "Library" / "LaunchAgents" / f"com.cidermill.{command}.plist").read_bytes())
    assert job["ProgramArguments"] == [str(program), command]
    assert Path(job["StandardOutPath"]).parent == home / "Library" / "Logs"


@pytest.mark.parametrize(("gib", "reserve"), [(8, 8 / 3), (12, 4), (16, 16 / 3), (24, 8), (64, 8), (128, 8)])
def test_the_limit_leaves_the_reserve_of_the_balanced_mode(gib: int, reserve: float) -> None:
    said = _limit(gib * GIB)
    assert said.returncode == 0
    name, value = said.stdout.strip().split("=")
    assert name == "iogpu.wired_limit_mb"
    assert int(value) == pytest.approx((gib - reserve) * 1024, abs=1)


def test_a_reserve_of_ones_own_is_taken() -> None:
    assert _limit(64 * GIB, "--reserve", "6144").stdout == f"iogpu.wired_limit_mb={(64 - 6) * 1024}\n"


@pytest.mark.parametrize(
    ("gib", "options", "says"),
    [
        (4, (), "too little memory"),
        (64, ("--reserve", "1024"), "too small"),
        (64, ("--reserve", "40000"), "too large"),
        (64, ("--reserve", "much"), "whole number"),
        (64, ("--reserve",), "whole number"),
        (64, ("--all",), "no option"),
    ],
)
def test_what_would_harm_is_refused_with_a_way_out(gib: int, options: tuple[str, ...], says: str) -> None:
    said = _limit(gib * GIB, *options)
    assert said.returncode == 2
    assert says in said.stderr
    assert "To fix: " in said.stderr


def test_the_guide_makes_the_folders_that_a_mac_lacks_before_it_fills_them() -> None:
    lines = _GUIDE.text.splitlines()
    made = {"/Library/LaunchDaemons"}
    for command in (line.partition("#")[0].split() for line in lines if line.startswith("sudo install ")):
        target = Path(command[-1])
        if "-d" in command:
            made.add(str(target))
        else:
            assert {str(target), str(target.parent)} & made, f"{target.parent} is not there"


def test_the_guide_says_what_macos_asks_of_agents_on_a_network() -> None:
    """Apple's TN3179: daemons and programs of Terminal are let in, agents of launchd are not."""
    guide = _GUIDE.text
    assert "LaunchAgents" in guide
    assert "Privacy & Security → Local Network" in guide
    assert "No route to host" in guide
