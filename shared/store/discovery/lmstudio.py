"""LM Studio: `<publisher>/<model>/` as on the hub, with GGUF files or an MLX folder (https://lmstudio.ai/docs)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shared.references import ModelRef
from shared.store.discovery.contract import Broken, Candidate, Place
from shared.store.discovery.describe import gguf_models
from shared.vocabulary import Provider


class LmStudio:
    name = "lmstudio"

    def folders(self, place: Place) -> list[Path]:
        """Its folder since 0.3.6, and the one before."""
        return [place.home / ".lmstudio" / "models", place.home / ".cache" / "lm-studio" / "models"]

    def candidates(self, folder: Path) -> Iterator[Candidate | Broken]:
        for model in sorted(path for path in folder.glob("*/*") if path.is_dir()):
            name = f"{model.parent.name}/{model.name}"
            files = list(gguf_models(model))
            for path in files:
                yield _candidate(path, name if len(files) == 1 else f"{name}:{path.stem}", path.parent)
            if not files and any(model.iterdir()):
                yield _candidate(model, name, model)


def _candidate(path: Path, name: str, root: Path) -> Candidate:
    return Candidate(path, name, ModelRef(provider=Provider.LOCAL, repo=str(path)), root)


PROGRAM = LmStudio()
