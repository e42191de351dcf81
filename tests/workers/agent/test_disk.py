from __future__ import annotations

from pathlib import Path

from shared.protocol import Telemetry
from shared.settings import Settings
from shared.units import GIB
from tests.store_context import RoomyStore
from workers.agent import disk


def test_an_agent_tells_of_the_disk_that_models_go_to() -> None:
    store = RoomyStore("/big/hub", "/models", free=40 * GIB, reserve=2 * GIB)
    said = Telemetry().model_copy(update=disk.told(store))
    assert (said.disk_free, said.disk_reserve) == (40 * GIB, 2 * GIB)


def test_it_is_the_disk_of_its_workers(tmp_path: Path) -> None:
    store = disk.model_store(Settings(home=tmp_path))
    assert Path(store.models_dir).is_relative_to(tmp_path)
    assert store.cache_disk.reserve() >= GIB
    assert store.cache_disk.free() > 0
