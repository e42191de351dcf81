"""What lies at a path: a model's format, size, shape and abilities, read from its headers."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from shared import ctranslate2, gguf_model, safetensors, transformers_config
from shared.errors import InvalidInput
from shared.gguf import Header, read_header
from shared.projector import ggufs, is_projector, projector_beside
from shared.references import friendly_name
from shared.runtimes import ModelShape
from shared.units import Bytes
from shared.vocabulary import Capability, Format

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Folder names that say nothing of the model in them.
_NAMELESS = frozenset({"model", "models", "weights", "snapshot", "snapshots", "main", "default", "assets", "files"})
#: Copies of the same weights in another layout.
_DUPLICATES = ("consolidated", "original")


class Weights(BaseModel):
    """A model on disk."""

    model_config = ConfigDict(frozen=True)

    #: The file a runtime is told to load (of a split GGUF the first part), or the folder.
    path: Path
    format: Format
    #: A name for people, in lower case; from the file, the folder, the cache or the model itself.
    name: str
    #: Bytes of the weights alone: what they take in memory.
    size: Bytes
    context: int | None
    capabilities: tuple[Capability, ...]
    shape: ModelShape
    #: Every file of the model.
    files: tuple[Path, ...]


def inspect(path: Path, among: Container[Path] | None = None) -> Weights:
    """Look at a GGUF file, a safetensors folder or a CTranslate2 folder.

    A GGUF model sees with a projector beside it that is `among` these files; `None`: whatever lies there. Raises
    InvalidInput that says what is missing or damaged.
    """
    try:
        return _inspect(path, among)
    except OSError as error:
        raise InvalidInput(
            f"{error.filename or path} cannot be read",
            error.strerror or str(error),
            "correct the path, or let the user that runs the worker read it",
        ) from error


def _inspect(path: Path, among: Container[Path] | None) -> Weights:
    if not path.exists():
        raise InvalidInput(f"There is nothing at {path}", "The path does not exist on this host.", "correct the path")
    if path.is_file():
        return _gguf(path, among)
    if (path / "model.bin").is_file() and (path / "config.json").is_file():
        return _ctranslate2(path)
    if any(path.glob("*.safetensors")):
        return _safetensors(path)
    return _gguf(_only_gguf(path), among)


def _gguf(path: Path, among: Container[Path] | None) -> Weights:
    parts = _parts(path)
    headers = [_header(part) for part in parts]
    first = headers[0]
    shape, able, files = gguf_model.shape(first), gguf_model.capabilities(first), parts
    if Capability.GENERATE in able and (beside := projector_beside(parts[0], shape.hidden, among)) is not None:
        shape = shape.model_copy(update={"vision": beside[1]})
        able, files = (*able, Capability.VISION), (*parts, beside[0])
    return Weights(
        path=parts[0],
        format=Format.GGUF,
        name=friendly_name(path.name),
        size=_total(files),
        context=shape.context,
        capabilities=able,
        shape=shape,
        files=files,
    )


def _header(path: Path) -> Header:
    with path.open("rb") as stream:
        return read_header(stream, path.name)


def _parts(path: Path) -> tuple[Path, ...]:
    """Every part of a split file, the first one first; a file that is whole is its only part."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return (path,)
    count = int(match["count"])
    names = [f"{match['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing or not names:
        raise InvalidInput(
            f"{path.name} is one of {count} parts, {len(missing)} are missing",
            f"The first missing one is {missing[0] if missing else 'part 1'}.",
            "download or copy all parts into one folder",
        )
    return tuple(path.parent / name for name in names)


def _only_gguf(folder: Path) -> Path:
    found = [file for file in ggufs(folder) if not is_projector(file.name)]
    firsts = [file for file in found if (match := _PART.fullmatch(file.name)) is None or int(match["number"]) == 1]
    if len(firsts) == 1:
        return firsts[0]
    if firsts:
        names = ", ".join(file.name for file in firsts[:5])
        raise InvalidInput(f"{folder} holds {len(firsts)} models", f"They are {names}.", "name one of the files")
    raise InvalidInput(
        f"{folder} holds no model",
        "There is no GGUF file, no safetensors with config.json and no CTranslate2 model.bin in it.",
        "name the file or the folder that holds the weights",
    )


def _safetensors(folder: Path) -> Weights:
    config = transformers_config.read_json(folder / "config.json")
    shards = _shards(folder)
    for shard in shards:
        safetensors.check_whole(shard)
    shape = transformers_config.shape(config)
    return Weights(
        path=folder,
        format=Format.SAFETENSORS,
        name=_folder_name(folder, str(config.get("_name_or_path") or "")),
        size=_total(shards),
        context=shape.context,
        capabilities=transformers_config.capabilities(config, folder),
        shape=shape,
        files=_files(folder, shards),
    )


def _shards(folder: Path) -> tuple[Path, ...]:
    """The weight files: those the index names, else all that are no second copy."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        found = sorted(folder.glob("*.safetensors"))
        return tuple(file for file in found if not file.name.startswith(_DUPLICATES)) or tuple(found)
    mapping = transformers_config.read_json(index).get("weight_map")
    names = sorted({str(name) for name in mapping.values()}) if isinstance(mapping, dict) else []
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise InvalidInput(
            f"{folder.name} misses {len(missing)} of {len(names)} weight files",
            f"The first missing one is {missing[0] if missing else 'unnamed in its index'}.",
            "download or copy the whole folder again",
        )
    return tuple(folder / name for name in names)


def _ctranslate2(folder: Path) -> Weights:
    transformers_config.read_json(folder / "config.json")
    shape = ctranslate2.read_shape(folder / "model.bin")
    weights = (folder / "model.bin",)
    return Weights(
        path=folder,
        format=Format.CTRANSLATE2,
        name=_folder_name(folder, ctranslate2.model_name(shape)),
        size=_total(weights),
        context=shape.context,
        capabilities=(Capability.TRANSCRIBE,),
        shape=shape,
        files=_files(folder, weights),
    )


def _folder_name(folder: Path, own: str) -> str:
    """The folder's name unless it says nothing; then the model's own; then the nearest parent that says something.

    A folder of the Hugging Face cache is named after its repository.
    """
    for part in (folder, *folder.parents):
        if part.name.startswith("models--"):
            return part.name.removeprefix("models--").replace("--", "/")
    if _says_something(folder.name):
        return folder.name.lower()
    if own:
        return own.rstrip("/").rpartition("/")[2].lower()
    named = (parent.name.lower() for parent in folder.parents if _says_something(parent.name))
    return next(named, "model")


def _says_something(name: str) -> bool:
    return bool(name) and name.lower() not in _NAMELESS and _COMMIT.fullmatch(name) is None


def _files(folder: Path, weights: tuple[Path, ...]) -> tuple[Path, ...]:
    """The weights and the small files beside them; no hidden ones, no other editions of the weights."""
    heavy = {".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".pth", ".safetensors"}
    beside = (file for file in sorted(folder.iterdir()) if file.is_file() and file.suffix not in heavy)
    return (*weights, *(file for file in beside if not file.name.startswith(".")))


def _total(files: tuple[Path, ...]) -> Bytes:
    return Bytes(sum(file.stat().st_size for file in files))
