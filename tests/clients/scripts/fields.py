"""The names of all fields that a client can send, as JSON by section: `python fields.py openai|anthropic|ollama`."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

_PARAMS = {
    "openai": {
        "Chat completions": "chat.completion_create_params.CompletionCreateParamsBase",
        "Completions": "completion_create_params.CompletionCreateParamsBase",
        "Embeddings": "embedding_create_params.EmbeddingCreateParams",
        "Responses": "responses.response_create_params.ResponseCreateParamsBase",
        "Audio": "audio.transcription_create_params.TranscriptionCreateParamsBase",
        "Files": "file_create_params.FileCreateParams",
        "Batches": "batch_create_params.BatchCreateParams",
    },
    "anthropic": {
        "Anthropic": "message_create_params.MessageCreateParamsBase beta.message_create_params.MessageCreateParamsBase"
    },
}
_OLLAMA = ("ChatRequest", "GenerateRequest", "EmbedRequest", "Options")


def typed(client: str, paths: str) -> list[str]:
    """Of those of the dictionaries that the client's calls are typed by."""
    found: set[str] = set()
    for path in paths.split():
        module, _, name = path.rpartition(".")
        dictionary: Any = getattr(importlib.import_module(f"{client}.types.{module}"), name)
        found |= set(dictionary.__annotations__)
    return sorted(found)


def ollamas() -> list[str]:
    """Of the models that Ollama's client checks requests by."""
    types = importlib.import_module("ollama._types")
    return sorted({name for each in _OLLAMA for name in getattr(types, each).model_fields})


client = sys.argv[1]
print(json.dumps({"Ollama": ollamas()} if client == "ollama" else {
    page: typed(client, paths) for page, paths in _PARAMS[client].items()
}))  # fmt: skip
