"""llama.cpp: what `llama-server -hf` downloaded before it used the Hugging Face cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shared.references import ModelRef
from shared.store.discovery.contract import Broken, Candidate, Place
from shared.store.discovery.describe import gguf_models
from shared.vocabulary import Provider


class LlamaCpp:
    name = "llama.cpp"

    def folders(self, place: Place) -> list[Path]:
        """LLAMA_CACHE, else the cache folder of the platform."""
        chosen = place.environment.get("LLAMA_CACHE")
        return [Path(chosen).expanduser() if chosen else place.caches / "llama.cpp"]

    def candidates(self, folder: Path) -> Iterator[Candidate | Broken]:
        for path in gguf_models(folder):
            yield Candidate(path, path.stem, ModelRef(provider=Provider.LOCAL, repo=str(path)), path.parent)


PROGRAM = LlamaCpp()
