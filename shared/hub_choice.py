"""Which files of a repository make one model. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from shared.errors import NotFound
from shared.hub import HubFile, Snapshot
from shared.projector import is_model, is_projector, projector_of, whole

#: Quantisations, the most sensible first: quality for the memory they take.
PREFERRED = (
    *("Q4_K_M", "Q5_K_M", "Q4_K_S", "Q4_K_XL", "Q4_0", "Q4_1", "IQ4_NL", "IQ4_XS", "MXFP4", "Q5_K_S", "Q5_0"),
    *("Q6_K", "Q8_0", "Q3_K_M", "Q3_K_L", "Q3_K_S", "IQ3_M", "Q2_K", "BF16", "F16", "F32"),
)

_BESIDE = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "1_Pooling/config.json")
_WILDCARDS = frozenset("*?[")


def choose(
    snapshot: Snapshot, file: str | None = None, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> tuple[HubFile, ...]:
    """The files to download: all that `include` names, else one model, of those that `file` names if it does.

    Names and patterns match whole paths or last parts, without regard to case; a word such as `Q8_0` matches
    anywhere. One model is the best GGUF and its projector, or the safetensors with what lies beside them, or a
    CTranslate2 model. Raises NotFound that lists what there is.
    """
    files = tuple(entry for entry in snapshot.files if not _matches(entry.name, exclude))
    if include:
        found = tuple(entry for entry in files if _matches(entry.name, include))
    elif file is not None:
        found = _named(files, file)
    else:
        found = _best_gguf(files, files) or _safetensors(files) or _ctranslate2(files)
    if not found:
        raise _nothing(snapshot, file, include)
    return found


def groups(files: Iterable[HubFile]) -> dict[str, tuple[HubFile, ...]]:
    """GGUF files by model, under its name without the part number: the parts of a split one, and last its projector."""
    found: dict[str, list[HubFile]] = {}
    by_name = {entry.name: entry for entry in sorted(files, key=lambda entry: entry.name)}
    for entry in by_name.values():
        if is_model(entry.name):
            found.setdefault(whole(entry.name), []).append(entry)
    for name, parts in found.items():
        if (projector := projector_of(name, by_name)) is not None:
            parts.append(by_name[projector])
    return {name: tuple(parts) for name, parts in found.items()}


def _named(files: tuple[HubFile, ...], file: str) -> tuple[HubFile, ...]:
    exact = next((entry for entry in files if entry.name == file), None)
    if exact is not None:
        return groups(files).get(whole(exact.name), (exact,))
    matching = tuple(entry for entry in files if _matches(entry.name, [file]))
    return _best_gguf(files, matching) or matching


def _best_gguf(files: tuple[HubFile, ...], wanted: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    """The best model of which one of the `wanted` files is a part."""
    chosen = frozenset(entry.name for entry in wanted if not is_projector(entry.name))
    models = {name: parts for name, parts in groups(files).items() if any(part.name in chosen for part in parts)}
    return models[min(models, key=lambda name: (_rank(name), name))] if models else ()


def _rank(name: str) -> int:
    """Where a file's quantisation stands among the preferred; unknown ones last."""
    path = PurePosixPath(name.upper())
    tokens = {*re.split(r"[-.]", path.stem), path.parent.name}
    return next((rank for rank, known in enumerate(PREFERRED) if known in tokens), len(PREFERRED))


def _safetensors(files: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    at_root = [entry for entry in files if "/" not in entry.name and entry.name.endswith(".safetensors")]
    weights = [entry for entry in at_root if not entry.name.startswith("consolidated")] or at_root
    return _with_neighbours(files, weights) if weights and _has(files, "config.json") else ()


def _ctranslate2(files: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    weights = [entry for entry in files if entry.name == "model.bin"]
    return _with_neighbours(files, weights) if weights and _has(files, "config.json") else ()


def _with_neighbours(files: tuple[HubFile, ...], weights: list[HubFile]) -> tuple[HubFile, ...]:
    at_root = (entry for entry in files if "/" not in entry.name or entry.name in _BESIDE)
    beside = (entry for entry in at_root if any(fnmatchcase(entry.name, pattern) for pattern in _BESIDE))
    return (*weights, *beside)


def _has(files: tuple[HubFile, ...], name: str) -> bool:
    return any(entry.name == name for entry in files)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(_match(name.lower(), pattern.lower()) for pattern in patterns)


def _match(name: str, pattern: str) -> bool:
    if _WILDCARDS.isdisjoint(pattern):
        return pattern in (name, PurePosixPath(name).name) or ("." not in pattern and pattern in name)
    return fnmatchcase(name, pattern) or fnmatchcase(PurePosixPath(name).name, pattern)


def _nothing(snapshot: Snapshot, file: str | None, include: Sequence[str]) -> NotFound:
    asked = file or ", ".join(include)
    heaviest = sorted(snapshot.files, key=lambda entry: -entry.size)[:6]
    names = ", ".join(entry.name for entry in heaviest) or "nothing"
    what = f"no file of {snapshot.repo} is called {asked}" if asked else f"{snapshot.repo} holds no model we can run"
    return NotFound(
        what[0].upper() + what[1:],
        f"It holds {names}" + (", …" if len(snapshot.files) > len(heaviest) else ""),
        "name one of its GGUF files, or a repository with GGUF, safetensors or CTranslate2 weights",
    )
