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
    "anthropic": {"Anthropic": "message_create_params.MessageCreateParamsBase"},
}
_OLLAMA = ("ChatRequest", "GenerateRequest", "EmbedRequest", "Options")


def typed(client: str, path: str) -> list[str]:
    """Of one of the dictionaries that the client's calls are typed by."""
    module, _, name = path.rpartition(".")
    found: Any = getattr(importlib.import_module(f"{client}.types.{module}"), name)
    return sorted(found.__annotations__)


def ollamas() -> list[str]:
    """Of the models that Ollama's client checks requests by."""
    types = importlib.import_module("ollama._types")
    return sorted({name for each in _OLLAMA for name in getattr(types, each).model_fields})


client = sys.argv[1]
print(json.dumps({"Ollama": ollamas()} if client == "ollama" else {
    page: typed(client, path) for page, path in _PARAMS[client].items()
}))  # fmt: skip
