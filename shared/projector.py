"""Projectors: the GGUF files that lie beside a model's own and let it see (`mmproj-*.gguf`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from shared.errors import InvalidInput
from shared.gguf import Header, read_header
from shared.numbers import count
from shared.runtimes import VisionShape

#: The best first: half precision is what most publish, and bfloat16 is slow where no kernel knows it.
_PREFERRED = ("f16", "bf16", "q8_0", "f32")
_QUANTISATION = re.compile(r"(?<![a-z0-9])(?:i?q\d\w*|bf16|f16|f32|fp16|fp32|mxfp4)")
_SAYS_NOTHING = frozenset({"mmproj", "model", ""})
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


def projector_of(model: str, names: Iterable[str]) -> str | None:
    """The projector of a GGUF model, of the files of a repository: from its folder, else from the one above.

    A projector that names a model belongs to that one alone; of several the most usual precision is taken.
    """
    path = PurePosixPath(model)
    mine = [PurePosixPath(name) for name in names if is_projector(name)]
    for folder in dict.fromkeys((path.parent, path.parent.parent)):
        fitting = [one for one in mine if one.parent == folder and _words(one.name) <= _words(path.name)]
        if fitting:
            return str(min(fitting, key=lambda one: (-len(_words(one.name)), _rank(one.name), one.name)))
    return None


def projector_beside(model: Path, hidden: int | None) -> tuple[Path, VisionShape] | None:
    """The projector of an installed GGUF model and what it says of itself; `None`: the model cannot see.

    `hidden` is the model's width. A projector of another width, one that only hears, and one that is damaged are none.
    """
    root = _root(model)
    names = (str(file.relative_to(root)) for folder in {model.parent, root} for file in folder.glob("*.gguf"))
    found = projector_of(str(model.relative_to(root)), names)
    if found is None:
        return None
    try:
        with (root / found).open("rb") as stream:
            seen = vision(read_header(stream, found), hidden)
    except (OSError, InvalidInput):
        return None
    return (root / found, seen) if seen is not None else None


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


def _root(model: Path) -> Path:
    """The folder that is searched above a model's own: only a snapshot of the hub's cache is one model through all."""
    above = model.parent.parent
    return above if above.parent.name == "snapshots" else model.parent


def _words(name: str) -> frozenset[str]:
    """What a file's name says of the model, and not of its precision."""
    plain = _QUANTISATION.sub("", name.lower().removesuffix(".gguf"))
    return frozenset(re.split(r"[-_. ]", plain)) - _SAYS_NOTHING


def _rank(name: str) -> int:
    found = _QUANTISATION.findall(name.lower())
    return next((rank for rank, kind in enumerate(_PREFERRED) if kind in found), len(_PREFERRED))
