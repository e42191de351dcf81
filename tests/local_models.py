"""Models that lie on one host of a test's fleet alone, though all its hosts share this machine's disk."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select, update

from shared.tables import Install, Model
from tests.handmade import gguf
from tests.models import random_llama, smollm2, whisper_tiny
from tests.stack import Stack


def only_on(stack: Stack, host: str, original: Path, name: str) -> Path:
    """Move the model registered from there to where only that host's row says that it is."""
    folder = original.parent.rename(original.parent.with_name(f"disk-of-{host}"))
    moved = folder / original.name
    with stack.database.write() as session:
        model = select(Model.id).where(Model.name == name).scalar_subquery()
        here = (Install.host == host, Install.model_id == model)
        session.execute(update(Install).where(*here).values(path=str(moved)))
    return moved


def _gguf(folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(smollm2().path, folder / "mine.gguf"))


def _gguf_parts(folder: Path) -> Path:
    folder.mkdir()
    for number in (3, 2, 1):
        part = folder / f"mine-{number:05}-of-00003.gguf"
        part.write_bytes(gguf(data=1 << 20) + random.Random(number).randbytes(1 << 20))
    return part


def _safetensors(folder: Path) -> Path:
    return Path(random_llama(folder / "babble").path)


def _embedding(folder: Path) -> Path:
    """With files in a folder of their own."""
    made = Path(random_llama(folder / "meaning").path)
    (made / "modules.json").write_text("[]")
    (made / "1_Pooling").mkdir()
    (made / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return made


def _ctranslate2(folder: Path) -> Path:
    return Path(shutil.copytree(whisper_tiny().path, folder / "ears"))


#: Each lays a model into a new folder; what to register of it.
ORIGINALS: dict[str, Callable[[Path], Path]] = {
    "gguf": _gguf,
    "gguf-parts": _gguf_parts,
    "safetensors": _safetensors,
    "embedding": _embedding,
    "ctranslate2": _ctranslate2,
}
