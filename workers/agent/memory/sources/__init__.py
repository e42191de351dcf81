"""Ways to read a host's memory: macOS, everything else, and a script for tests and demos."""

from __future__ import annotations

import sys

from shared.settings import Settings
from workers.agent.memory.reading import Source


def source_of(settings: Settings) -> Source:
    """The script of the settings, else the system's own. Raises ConfigError for a script that cannot be read."""
    if settings.memory_script is not None:
        from workers.agent.memory.sources.scripted import Scripted

        return Scripted(settings.memory_script)
    if sys.platform == "darwin":
        from workers.agent.memory.sources.macos import MacOS

        return MacOS()
    from workers.agent.memory.sources.linux import Linux

    return Linux()
