"""The disk of this host that models go to, as the front door is told of it."""

from __future__ import annotations

from shared.kinds.contract import ModelStore
from shared.settings import Settings
from workers.store import host_store


def model_store(settings: Settings) -> ModelStore:
    """The store that the workers of this agent use: downloads of theirs fill its disk."""
    return host_store(settings.data_dir / "models")


def told(store: ModelStore) -> dict[str, object]:
    """The fields of `Telemetry` that say what downloads may still take, in bytes: of the disk most of them go to."""
    return {"disk_free": store.cache_disk.free(), "disk_reserve": store.cache_disk.reserve()}
