"""Names of models as people write them: where a model comes from, as a value.

| written | means |
|---|---|
| `hf:org/name`, `org/name` | a repository of the Hugging Face hub |
| `hf:org/name:Q4_K_M`, `…:sub/file.gguf`, `…@revision` | some of its files; a branch, tag or commit |
| `local:/path`, `/path` | a file or folder on the host |
| `url:https://…`, `https://…` | one file on a web server |
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict

from shared.errors import InvalidParameters
from shared.vocabulary import Provider

_REPO = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_HF = re.compile(r"(?P<repo>[^:@]+)(?::(?P<file>[^@]+))?(?:@(?P<revision>[^@]+))?")
#: What git allows in a branch or tag, nearly; it becomes a path below `refs/` in the cache.
_REVISION = re.compile(r"(?!.*(?:\.\.|//))[\w][\w./+-]{0,254}", re.ASCII)
_SPLIT = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTISATION = re.compile(
    r"[._-](?:UD-)?(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|BF16|F16|F32|FP16|FP32|MXFP4(?:_MOE)?)$", re.IGNORECASE
)
_FIX = "Write org/name, hf:org/name:file@revision, local:/path/to/model or url:https://host/file."


class ModelRef(BaseModel):
    """Where a model comes from. `str()` is the canonical text, and `parse` of it gives the same value."""

    model_config = ConfigDict(frozen=True)

    provider: Provider
    #: `org/name`, an absolute path, or a web address.
    repo: str
    #: A file of the repository, or a pattern such as `*Q8_0*`.
    file: str | None = None
    #: A branch, tag or commit.
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Raises InvalidParameters when the text names no model."""
        text = text.strip()
        provider, colon, rest = text.partition(":")
        if colon and provider in _READERS:
            return _READERS[provider](rest, text)
        if text.startswith(("https://", "http://")):
            return _url(text, text)
        if text.startswith("/"):
            return _local(text, text)
        return _hf(text, text)

    def __str__(self) -> str:
        file = f":{self.file}" if self.file else ""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.provider}:{self.repo}{file}{revision}"

    @property
    def name(self) -> str:
        """The name to show when nobody chose one.

        `org/name` for a repository (with `:file` when a file was named, so that two quantisations differ),
        else the file's name in lower case without suffix, part number and quantisation.
        """
        if self.provider is Provider.HF:
            return f"{self.repo}:{_tag(self.file)}" if self.file else self.repo
        path = urlsplit(self.repo).path if self.provider is Provider.URL else self.repo
        return friendly_name(PurePosixPath(unquote(path)).name) or str(self.provider)


def friendly_name(filename: str) -> str:
    """`SmolLM2-135M-Instruct.Q4_1.gguf` becomes `smollm2-135m-instruct`."""
    stem = _SPLIT.sub("", _without_suffix(filename))
    return (_QUANTISATION.sub("", stem) or stem).lower()


def _tag(file: str) -> str:
    return _without_suffix(PurePosixPath(file).name).strip("*") or file


def _without_suffix(filename: str) -> str:
    return re.sub(r"\.(gguf|bin|safetensors)$", "", filename, flags=re.IGNORECASE)


def _hf(rest: str, text: str) -> ModelRef:
    match = _HF.fullmatch(rest)
    if match is None or _REPO.fullmatch(match["repo"]) is None or match["repo"].endswith((".", "-", ".git")):
        raise InvalidParameters(f"{text!r} names no model", "A repository is written org/name.", _FIX)
    if match["revision"] is not None and _REVISION.fullmatch(match["revision"]) is None:
        raise InvalidParameters(f"{text!r} names no revision", "After @ comes a branch, a tag or a commit.", _FIX)
    file = match["file"]
    if file is not None and (file.startswith("/") or ".." in PurePosixPath(file).parts or not file.isprintable()):
        raise InvalidParameters(f"{text!r} names no file of a repository", "Files are named from its root.", _FIX)
    return ModelRef(provider=Provider.HF, repo=match["repo"], file=file, revision=match["revision"])


def _local(rest: str, text: str) -> ModelRef:
    path = PurePosixPath(rest)
    if not path.is_absolute() or ".." in path.parts or "\0" in rest:
        raise InvalidParameters(f"{text!r} names no local model", "The path must be absolute, without '..'.", _FIX)
    return ModelRef(provider=Provider.LOCAL, repo=str(path))


def _url(rest: str, text: str) -> ModelRef:
    try:
        parts = urlsplit(rest)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not rest.isprintable() or " " in rest:
        raise InvalidParameters(f"{text!r} is no web address of a model", "It must start with https://.", _FIX)
    if parts.username or parts.password:
        raise InvalidParameters("The address carries a password", "It would be kept with the model.", _FIX)
    return ModelRef(provider=Provider.URL, repo=rest)


_READERS = {"hf": _hf, "local": _local, "url": _url}
