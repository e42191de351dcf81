"""Where the front door is, when nobody says."""

from __future__ import annotations

from cli.up import record
from shared.settings import Settings


def front_door(settings: Settings) -> str:
    """The `url` that was set, else the front door that `cidermill up` runs in this home, else the configured port."""
    if settings.url is None:
        running = record.read(settings.state_dir)
        if running is not None and running.running:
            return running.url
    return settings.front_door
