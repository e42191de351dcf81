"""How many tokens a chat has, without an engine: by the model's own tokenizer where that is here, else by length."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from api.gateway import gguf_tokenizer
from shared.errors import InvalidInput

#: Bytes of a token: the mean of English and code; other languages come out a little high, which is the safe side.
_BYTES = 4
#: Tokens that a chat template puts around a message, and before the answer.
_AROUND, _BEFORE_ANSWER = 5, 3
#: Tokens of an image; engines differ from 64 to 1,500.
_IMAGE = 576
#: Characters that are read at once: what the library keeps of a text is hundreds of times as large.
_PIECE = 8192
#: Characters of a chat whose length says enough; a text counts as at least so many.
_MOST, _LEAST = 1 << 20, 32


def estimate(body: Mapping[str, Any]) -> int:
    """Tokens of an engine's chat request, from the length of what it says."""
    return _frame(body) + sum(map(of_text, _texts(body)))


def of_text(text: str) -> int:
    """Tokens of a text, from its length."""
    return -(-len(text.encode(errors="replace")) // _BYTES)


def count(body: Mapping[str, Any], tokenizer: Path) -> int | None:
    """The same by a `tokenizer.json` or a GGUF file, but for a token or so in each few thousand.

    `None` when it cannot be read, nothing here can read it, or the chat is so long that it would take too long.
    """
    reader, texts = _reader(tokenizer), list(_texts(body))
    if reader is None or sum(max(len(text), _LEAST) for text in texts) > _MOST:
        return None
    pieces = (piece for text in texts for piece in _pieces(text))
    return _frame(body) + sum(len(reader.encode(piece, add_special_tokens=False)) for piece in pieces)


def _pieces(text: str) -> Iterator[str]:
    """The text, cut before spaces where it has some: there tokens end, too."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            space = text.rfind(" ", start + 1, end)
            end = space if space > 0 else end
        # Half a character, as clients leave it that cut texts, is no text to the library.
        yield text[start:end].encode(errors="replace").decode()
        start = end


@lru_cache(maxsize=4)
def _reader(path: Path) -> Any:
    """The library comes with the engines that need it; a front door alone goes without."""
    try:
        if path.suffix == ".json":
            return importlib.import_module("tokenizers").Tokenizer.from_file(str(path))
        return gguf_tokenizer.read(path)
    except (ImportError, OSError, InvalidInput):
        return None
    except Exception as error:  # the library raises nothing narrower
        if type(error) is not Exception:
            raise
        return None


def _frame(body: Mapping[str, Any]) -> int:
    """What is neither text nor in the request: the template's own words, and images."""
    messages = body.get("messages") or ()
    images = sum(part.get("type") == "image_url" for message in messages for part in _parts(message))
    return int(_BEFORE_ANSWER + _AROUND * len(messages) + _IMAGE * images)


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body.get("messages") or ():
        if isinstance(message.get("content"), str):
            yield message["content"]
        yield from (part["text"] for part in _parts(message) if part.get("type") == "text")
        for call in message.get("tool_calls") or ():
            yield json.dumps(call.get("function"), ensure_ascii=False)
    if body.get("tools"):
        yield json.dumps(body["tools"], ensure_ascii=False)


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else []
