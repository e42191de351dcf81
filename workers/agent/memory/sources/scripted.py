"""A host whose memory follows a script, for tests and demos: what it says is made up, what its runs use is measured.

The script is a JSON file with one object or a list of them, one for each reading, the last for ever:

    {"total": "1GiB", "others": "400MiB", "pressure": "warn", "swap_used": 0, "own": "100MiB"}

`others` is what other applications use. Without `own`, the real processes are measured. The file is read again when it
was replaced.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from shared.errors import ConfigError
from shared.units import Bytes, parse_bytes
from workers.agent.memory.reading import Pressure, Reading
from workers.agent.memory.sources.trees import footprint

Size = Annotated[Bytes, BeforeValidator(parse_bytes)]


class Scene(BaseModel):
    """One moment of the script."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    total: Size
    others: Size = Bytes(0)
    own: Size | None = None
    active: Size = Bytes(0)
    metal_cap: Size | None = None
    pressure: Pressure | None = Pressure.NORMAL
    swap_used: Size | None = Bytes(0)


_SCRIPT: TypeAdapter[Scene | list[Scene]] = TypeAdapter(Scene | Annotated[list[Scene], Field(min_length=1)])


class Scripted:
    """Plays a script."""

    name = "script"

    def __init__(self, path: Path) -> None:
        """Raises ConfigError for a script that cannot be read."""
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._scenes: list[Scene] = []
        self._read_again()

    def read(self, pids: Collection[int]) -> Reading:
        scene = self._next()
        own = footprint(pids) if scene.own is None else scene.own
        return Reading(
            total=scene.total,
            own=own,
            own_kept=own,
            idle=Bytes(max(0, scene.total - scene.others - own - scene.active)),
            active=scene.active,
            metal_cap=scene.metal_cap,
            pressure=scene.pressure,
            swap_used=scene.swap_used,
        )

    def _next(self) -> Scene:
        self._read_again()
        return self._scenes.pop(0) if len(self._scenes) > 1 else self._scenes[0]

    def _read_again(self) -> None:
        try:
            stat = self._path.stat()
            if (stat.st_ino, stat.st_mtime_ns) == self._read_at:
                return
            script = _SCRIPT.validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(
                f"The memory script {self._path} cannot be read",
                str(error).splitlines()[0],
                "correct it, or unset CIDERMILL_MEMORY_SCRIPT to measure this machine",
            ) from error
        self._read_at = (stat.st_ino, stat.st_mtime_ns)
        self._scenes = script if isinstance(script, list) else [script]
