"""What kind of machine this is, and which of its boots."""

from __future__ import annotations

import platform
import sys
import uuid
from pathlib import Path

import psutil

from workers.agent.sysctl import sysctl_text


def boot_id() -> str:
    """New for each boot, the same until then."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    # Elsewhere the moment of the boot is all there is, and moves with the clock: in whole minutes seldom.
    return sysctl_text("kern.bootsessionuuid") or _by_moment()


def _by_moment() -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{platform.node()} {round(psutil.boot_time() / 60)}"))


def platform_name() -> str:
    """`macOS 26.1 arm64`, `Linux 6.18 x86_64`."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]} {platform.machine()}"
    return f"{platform.system()} {platform.release()} {platform.machine()}"[:120]
