"""Projectors: the GGUF files that lie beside a model's own and let it see (`mmproj-*.gguf`)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path, PurePosixPath

from shared.errors import InvalidInput
from shared.gguf import Header, read_header
from shared.numbers import count
from shared.runtimes import VisionShape

#: The best first: half precision is what most publish, and bfloat16 is slow where no kernel knows it.
_PREFERRED = ("f16", "bf16", "q8_0", "f32")
_QUANTISATION = re.compile(r"(?<![a-z0-9])(?:[it]?q\d\w*|bf16|f16|f32|fp16|fp32|int\d|mxfp4)")
#: `ud` and `i1` are ways to quantise.
_SAYS_NOTHING = frozenset({"mmproj", "model", "ud", "i1", ""})
_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.IGNORECASE)
#: GGUF files that are no model by themselves, nor projectors.
_ACCESSORY = re.compile(r"(?:^|/)(?:imatrix|ggml-vocab)[^/]*$|imatrix[^/]*\.gguf$", re.IGNORECASE)
#: What llama.cpp's `clip.cpp` calls projectors whose pictures, or the tiles of them, are always of one size.
_FIXED = frozenset(
    {"mlp", "mlp_norm", "ldp", "ldpv2", "resampler", "adapter", "gemma3", "gemma3nv", "idefics3", "internvl"}
    | {"llama4", "cogvlm", "janus_pro", "minicpmv4_6"}
)
#: Of these the width that the header tells is not the model's: it is checked by llama.cpp alone.
_WIDTH_UNTOLD = frozenset({"mlp", "mlp_norm", "ldp", "ldpv2", "resampler", "adapter"})
#: Those whose largest picture the header tells in pixels, so that no run can make it smaller.
_TOLD = frozenset({"dots_ocr", "dots3note_v", "exaone4_5", "hunyuanvl", "kimik25", "mimovl", "paddleocr", "phi4"})
#: Those that are allowed more tokens than `MOST_TOKENS`, up to 62,500.
_BOUNDLESS = frozenset({"hunyuanvl", "youtuvl"})
_WINDOWS = ("clip.vision.n_wa_pattern", "clip.vision.wa_layer_indexes", "clip.vision.wa_pattern_mode")
#: Tokens that the largest picture becomes at most where its size is free: `set_limit_image_tokens` of `clip.cpp`.
MOST_TOKENS = 4096
#: The same with windows, whose mask would take 2 GiB of 4,096 tokens.
MOST_WINDOWED = 1024


def is_projector(name: str) -> bool:
    """Whether a file of that name is a projector."""
    last = PurePosixPath(name).name.lower()
    return last.endswith(".gguf") and "mmproj" in last


def is_model(name: str) -> bool:
    """Whether a file of that name is a GGUF model, or a part of one."""
    return name.lower().endswith(".gguf") and not is_projector(name) and _ACCESSORY.search(name) is None


def ggufs(folder: Path) -> list[Path]:
    """The GGUF files of a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.name.lower().endswith(".gguf"))


def whole(name: str) -> str:
    """The name of a GGUF model without the number of a part."""
    return _PART.sub("", name)


def projector_of(model: str, names: Iterable[str]) -> str | None:
    """The projector of a GGUF model, of the files of a repository: from its folder, else from the one above.

    A projector that names a model belongs to that one alone; of several the most usual precision is taken.
    """
    return next(_fitting(model, names), None)


def projector_beside(
    model: Path, hidden: int | None, among: Container[Path] | None = None
) -> tuple[Path, VisionShape] | None:
    """The projector of an installed GGUF model and what it says of itself; `None`: the model cannot see.

    `hidden` is the model's width, `among` the files that count; `None`: all. A projector of another width, one that
    only hears, and one that is damaged are none, and neither is one that names no model in a folder of several.
    """
    root = _root(model)
    files = [file for folder in dict.fromkeys((model.parent, root)) for file in _listed(folder)]
    models = {_words(whole(file.name)) for file in files if is_model(file.name)}
    named = [file for file in files if _words(file.name) or len(models) == 1 or _snapshot(model)]
    names = (str(file.relative_to(root)) for file in named)
    candidates = (root / name for name in _fitting(str(model.relative_to(root)), names))
    mine = (file for file in candidates if among is None or file in among)
    return next(((file, seen) for file in mine if (seen := _seen(file, hidden)) is not None), None)


def vision(header: Header, hidden: int | None) -> VisionShape | None:
    """How a projector sees; `None` when it does not, or not for a model of that width."""
    said = header.metadata
    kind = said.get("clip.vision.projector_type") or said.get("clip.projector_type") or "mlp"
    width = count(said, "clip.vision.projection_dim")
    if not said.get("clip.has_vision_encoder") or (width not in (None, hidden) and kind not in _WIDTH_UNTOLD):
        return None
    merged = (count(said, "clip.vision.spatial_merge_size", "clip.vision.projector.scale_factor") or 2) ** 2
    patch, fixed = count(said, "clip.vision.patch_size") or 0, kind in _FIXED
    across = (count(said, "clip.vision.image_size") or 0) // patch if patch else 0
    told = count(said, "clip.vision.image_max_pixels") if kind in _TOLD and patch else None
    windowed = not fixed and any(said.get(key) for key in _WINDOWS)
    limit = MOST_WINDOWED if windowed else MOST_TOKENS if kind in _BOUNDLESS else None
    free = told // patch**2 if told else (limit or MOST_TOKENS) * merged
    return VisionShape(
        hidden=count(said, "clip.vision.embedding_length") or 0,
        feed_forward=count(said, "clip.vision.feed_forward_length") or 0,
        patch=patch,
        patches=across**2 if fixed else free,
        merged=merged,
        fixed=fixed,
        limited=told is None,
        limit=limit if told is None else None,
        windowed=windowed,
    )


def _fitting(model: str, names: Iterable[str]) -> Iterator[str]:
    """The projectors that a model may be meant with, the most likely first."""
    path = PurePosixPath(model)
    mine = [PurePosixPath(name) for name in names if is_projector(name)]
    for folder in dict.fromkeys((path.parent, path.parent.parent)):
        fitting = (one for one in mine if one.parent == folder and _words(one.name) <= _words(path.name))
        yield from map(str, sorted(fitting, key=lambda one: (-len(_words(one.name)), _rank(one.name), one.name)))


def _seen(file: Path, hidden: int | None) -> VisionShape | None:
    try:
        with file.open("rb") as stream:
            return vision(read_header(stream, file.name), hidden)
    except (OSError, InvalidInput):
        return None


def _listed(folder: Path) -> list[Path]:
    """A folder that may not be read holds no projector: its model may be loaded all the same."""
    try:
        return ggufs(folder)
    except OSError:
        return []


def _snapshot(model: Path) -> bool:
    """A snapshot of the hub's cache is one model through all its folders."""
    return "snapshots" in (model.parent.parent.name, model.parent.parent.parent.name)


def _root(model: Path) -> Path:
    """The folder that is searched above a model's own, in a snapshot; else its own."""
    above = model.parent.parent
    return above if above.parent.name == "snapshots" else model.parent


def _words(name: str) -> frozenset[str]:
    """What a file's name says of the model, and not of its precision."""
    plain = _QUANTISATION.sub("", name.lower().removesuffix(".gguf"))
    return frozenset(re.split(r"[-_. ]", plain)) - _SAYS_NOTHING


def _rank(name: str) -> int:
    found = [kind.replace("fp", "f") for kind in _QUANTISATION.findall(name.lower())]
    return next((rank for rank, kind in enumerate(_PREFERRED) if kind in found), len(_PREFERRED))
