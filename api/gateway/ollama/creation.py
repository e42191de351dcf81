"""What `POST /api/create` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.gateway import model_names
from api.gateway.defaults import MESSAGES
from api.gateway.ollama.modelfile import defaults_of
from api.gateway.ollama.request import messages_of
from api.gateway.reading import need, want
from shared.errors import InvalidParameters

#: What engines here take from the model's own file, or not at all.
_UNKNOWN = ("adapters", "quantize", "template", "modelfile", "path")


@dataclass(frozen=True, slots=True)
class Creation:
    """A model to make of another one (`source`), or of a file that was sent (`blob`, its digest)."""

    name: str
    source: str = ""
    blob: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    streamed: bool = True

    @property
    def weights(self) -> str:
        """What the catalog calls the file's model: with defaults, the name itself is an alias of it."""
        return weights_of(self.name) if self.defaults else self.name


def weights_of(name: str) -> str:
    """The model that an alias with defaults was made for."""
    return f"{name}-weights"


def read(asked: Mapping[str, Any]) -> Creation:
    """The request. Raises InvalidParameters, also for what would be ignored and is meant to change answers."""
    name = want(asked, "model", str) or need(asked, "name", str, "it is what to call the model")
    for unknown in _UNKNOWN:
        if asked.get(unknown):
            raise InvalidParameters(
                f"{unknown} is not possible here", "a model is made from another one, or of one GGUF file",
                "leave it out; give from or files, system, messages and parameters", field=unknown,
            )  # fmt: skip
    source, files = want(asked, "from", str), want(asked, "files", dict)
    if not source and not files:
        raise InvalidParameters("from is missing", "a model is made of something", "give from or files", field="from")
    return Creation(
        name=model_names.plain(name),
        source=source or "",
        blob=None if source else _only(files or {}),
        defaults=defaults_of(want(asked, "parameters", dict) or {}, want(asked, "system", str)) | _talk(asked),
        streamed=want(asked, "stream", bool) is not False,
    )


def _talk(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was said before: `/save` of Ollama's command line sends the whole talk."""
    messages = list(messages_of(want(asked, "messages", list) or []))
    return {MESSAGES: messages} if messages else {}


def _only(files: Mapping[str, Any]) -> str:
    """The digest of the one file."""
    name, digest = next(iter(files.items()))
    if len(files) > 1 or not isinstance(digest, str) or not name.lower().endswith(".gguf"):
        raise InvalidParameters(
            "files is wrong",
            f"it names {', '.join(files)}",
            "give one file.gguf with its sha256: digest",
            field="files",
        )
    return digest
