"""Ollama: `manifests/<registry>/<namespace>/<model>/<tag>` names layers, `blobs/sha256-<hex>` holds them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from shared.references import ModelRef
from shared.store.discovery.contract import Broken, Candidate, Place
from shared.vocabulary import Provider

_WEIGHTS = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_OWN_REGISTRY = "registry.ollama.ai"
_OWN_NAMESPACE = "library"


class Ollama:
    name = "ollama"

    def folders(self, place: Place) -> list[Path]:
        """OLLAMA_MODELS, else the folder of the user."""
        chosen = place.environment.get("OLLAMA_MODELS")
        return [Path(chosen).expanduser() if chosen else place.home / ".ollama" / "models"]

    def candidates(self, folder: Path) -> Iterator[Candidate | Broken]:
        for manifest in sorted((folder / "manifests").glob("*/*/*/*")):
            if manifest.is_file() and not manifest.name.startswith("."):
                yield _candidate(folder, manifest)


def _candidate(folder: Path, manifest: Path) -> Candidate | Broken:
    try:
        layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
        weights = [_DIGEST.fullmatch(layer["digest"]) for layer in layers if layer["mediaType"] == _WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Broken(manifest, f"its manifest cannot be read ({type(error).__name__})")
    checksums = [match[1] for match in weights if match is not None]
    if len(checksums) != 1:
        return Broken(manifest, f"it has {len(checksums)} layers of GGUF weights, and one is wanted")
    blob = folder / "blobs" / f"sha256-{checksums[0]}"
    reference = ModelRef(provider=Provider.LOCAL, repo=str(blob))
    return Candidate(blob, _name(manifest), reference, root=blob.parent, checksums={blob: checksums[0]})


def _name(manifest: Path) -> str:
    """As Ollama itself shows it: what is its default is left out."""
    registry, namespace, model, tag = manifest.parts[-4:]
    parts = [registry if registry != _OWN_REGISTRY else "", namespace if namespace != _OWN_NAMESPACE else "", model]
    return "/".join(part for part in parts if part) + f":{tag}"


PROGRAM = Ollama()
