"""This machine: Python, disk and the runtimes that are installed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from cli.doctor.finding import Finding, ok, warn
from cli.phrases import size
from shared.settings import Settings
from shared.units import GIB

_DISK_WANTED = 10 * GIB


def check_machine(settings: Settings) -> Iterator[Finding]:
    """Python, disk, runtimes."""
    yield ok("python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield _disk(settings.data_dir)
    yield _runtimes()


def _disk(folder: Path) -> Finding:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = psutil.disk_usage(str(place)).free
    says = f"{size(free)} free at {place}"
    return ok("disk", says) if free > _DISK_WANTED else warn("disk", says, "make room: models need it")


def _runtimes() -> Finding:
    """Probing imports no engine; what cannot be probed is not there."""
    from workers.runtimes import discover

    infos = [info for runtime in discover().values() if (info := runtime.probe()) is not None]
    engines = [info for info in infos if info.formats]
    says = ", ".join(f"{info.name} {info.version}" for info in infos)
    if any(info.name != "echo" for info in engines):
        return ok("runtimes", says)
    return warn("runtimes", f"only {says}", f"install an engine: {sys.executable} -m pip install 'cidermill[llama]'")
