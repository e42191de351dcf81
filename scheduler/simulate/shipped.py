"""Traces that ship: drawn once from fixed seeds and kept as files, so that figures of different days compare."""

from __future__ import annotations

from pathlib import Path

from scheduler.simulate.generate import generate, names
from scheduler.simulate.trace import Trace, read_trace, write_trace
from shared.errors import NotFound
from shared.nearest import did_you_mean

FOLDER = Path(__file__).parent / "traces"


def shipped() -> tuple[str, ...]:
    """Their names."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def open_trace(name: str) -> Trace:
    """A shipped trace by its name, or the one in a file. Raises NotFound and InvalidParameters."""
    if name in shipped():
        return read_trace(FOLDER / f"{name}.json")
    if not Path(name).exists():
        raise NotFound(
            f"There is no trace {name}", "it is neither a file nor one that ships", did_you_mean(name, shipped())
        )
    return read_trace(Path(name))


def write_all() -> None:
    """Draw them again, after the generators have changed."""
    for name in names():
        (FOLDER / f"{name}.json").write_text(write_trace(generate(name)))
